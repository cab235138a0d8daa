"""Where a folder keeps its images, masks, splits and class table."""

import pathlib

from keras_seg.data.errors import DataError

__all__ = ["MASK_FOLDERS", "find_classes", "find_folders", "splits"]

MASK_FOLDERS = ("labels", "masks", "annotations")
_FIRST = ("train", "val", "test")


def splits(path):
    """The splits of a data set: folders with images, or lists of stems.

    Args:
        path: str or path of the data set.

    Returns:
        Tuple of names; "train", "val" and "test" come first.
    """
    path = _existing(path)
    names = {
        folder.name for folder in path.iterdir() if (folder / "images").is_dir()
    }
    if names or (path / "images").is_dir():
        names |= {file.stem for file in path.glob("*.txt") if _lists(file)}
    rank = {name: i for i, name in enumerate(_FIRST)}
    return tuple(sorted(names, key=lambda n: (rank.get(n, len(rank)), n)))


def find_folders(path, split=None):
    """Find the images, the masks and the list of stems of a split.

    Args:
        path: str or path of the data set.
        split: optional str. `None` takes everything of `path/images`.

    Returns:
        Tuple (folder of images, folder of masks, list of stems or `None`).

    Raises:
        DataError: a folder or the split is missing.
    """
    path = _existing(path)
    if split is None:
        if not (path / "images").is_dir() and splits(path):
            names = splits(path)
            raise DataError(
                "KS-D002",
                path,
                f"has the splits {', '.join(names)}",
                "one of them must be chosen",
                fix=f'name it, for example split="{names[0]}"',
            )
        return _folders(path, None)
    list_file = path / f"{split}.txt"
    if not list_file.is_file():
        list_file = None
    if (path / split / "images").is_dir():
        return _folders(path / split, list_file)
    if list_file is None:
        names = ", ".join(splits(path))
        raise DataError(
            "KS-D002",
            path,
            f"has no split {split}: neither {split}/images nor {split}.txt",
            f"its splits are {names}" if names else "it has no splits",
            fix="name one of them" if names else "leave the split out",
        )
    return _folders(path, list_file)


def find_classes(path):
    """`classes.csv` in the folder or the one above, or `None`."""
    path = pathlib.Path(path).absolute()
    for folder in (path, path.parent):
        if (folder / "classes.csv").is_file():
            return folder / "classes.csv"
    return None


def _existing(path):
    path = pathlib.Path(path)
    if not path.is_dir():
        raise DataError(
            "KS-D001",
            path,
            "is not a folder" if path.exists() else "does not exist",
            "a folder with images and labels is expected",
            fix="correct the path",
        )
    return path


def _folders(path, list_file):
    images = path / "images"
    if not images.is_dir():
        raise DataError(
            "KS-D001",
            path,
            f"has no folder images; it holds {_content(path)}",
            "images are looked for in images, masks in labels, masks or "
            "annotations",
            fix="rename the folders, or correct the path",
        )
    for name in MASK_FOLDERS:
        if (path / name).is_dir():
            return images, path / name, list_file
    raise DataError(
        "KS-D001",
        path,
        f"has no folder of masks; it holds {_content(path)}",
        "masks are looked for in labels, masks or annotations",
        fix="rename the folder of masks to labels",
    )


def _content(path):
    names = sorted(entry.name for entry in path.iterdir())
    if len(names) > 6:
        names = [*names[:6], f"and {len(names) - 6} more"]
    return ", ".join(names) or "nothing"


def _lists(file):
    """Whether a text file lists stems of images, rather than prose."""
    for folder in (file.parent / "images", file.parent / file.stem / "images"):
        if folder.is_dir():
            with open(file, encoding="utf-8", errors="replace") as lines:
                first = next((s.strip() for s in lines if s.strip()), "")
            return bool(first) and any(folder.glob(f"{_escape(first)}.*"))
    return False


def _escape(name):
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
