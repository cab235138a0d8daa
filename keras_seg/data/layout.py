"""Where a folder keeps its images, masks, splits and class table."""

import pathlib

from keras_seg.data.errors import DataError

__all__ = [
    "CLASS_FILES",
    "MASK_FOLDERS",
    "existing",
    "find_classes",
    "find_folders",
    "folder_splits",
    "missing_split",
    "sorted_splits",
    "visible",
]

CLASS_FILES = ("classes.csv", "classes.yaml", "classes.yml")
MASK_FOLDERS = ("labels", "masks", "annotations")
_FIRST = ("train", "val", "test")


def folder_splits(path):
    """The splits of a data set of two folders: folders, or lists of stems.

    Args:
        path: str or path of the data set.

    Returns:
        Tuple of names; "train", "val" and "test" come first.
    """
    path = existing(path)
    names = {
        folder.name for folder in path.iterdir() if (folder / "images").is_dir()
    }
    if names or (path / "images").is_dir():
        names |= {file.stem for file in path.glob("*.txt") if _lists(file)}
    if not names and (path / "images").is_dir():
        names = {
            folder.name
            for folder in (path / "images").iterdir()
            if any((path / m / folder.name).is_dir() for m in MASK_FOLDERS)
        }
    return sorted_splits(names)


def sorted_splits(names):
    """Names of splits as a tuple; "train", "val" and "test" come first."""
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
    path = existing(path)
    if split is None:
        names = folder_splits(path)
        nested = names and (path / "images" / names[0]).is_dir()
        if nested or (names and not (path / "images").is_dir()):
            raise missing_split(path, None, names)
        return *_folders(path), None
    list_file = path / f"{split}.txt"
    if not list_file.is_file():
        list_file = None
    if (path / split / "images").is_dir():
        return *_folders(path / split), list_file
    if (path / "images" / split).is_dir():
        images, masks = _folders(path)
        return images / split, _existing_masks(masks / split), list_file
    if list_file is None:
        looked = f": neither {split}/images nor {split}.txt"
        raise missing_split(path, split, folder_splits(path), looked)
    return *_folders(path), list_file


def missing_split(path, split, names, looked=""):
    """The `DataError` of a split that does not exist or must be chosen."""
    if split is None and names:
        return DataError(
            "KS-D002",
            path,
            f"has the splits {', '.join(names)}",
            "one of them must be chosen",
            fix=f'name it, for example split="{names[0]}"',
        )
    if split is None:
        return DataError(
            "KS-D002",
            path,
            f"names no images{looked}",
            "a split lists the images that belong to it",
            fix="add one",
        )
    return DataError(
        "KS-D002",
        path,
        f"has no split {split}{looked}",
        f"its splits are {', '.join(names)}" if names else "it has no splits",
        fix="name one of them" if names else "leave the split out",
    )


def find_classes(path):
    """`classes.csv` or `.yaml`, in the folder or the one above, or `None`."""
    path = pathlib.Path(path).absolute()
    for folder in (path, path.parent):
        for name in CLASS_FILES:
            if (folder / name).is_file():
                return folder / name
    return None


def visible(folder, *suffixes):
    """What lies in a folder and is not hidden, sorted by name.

    Args:
        folder: path.
        *suffixes: str, lower case; with them only files of one of these, in
            any case.

    Returns:
        List of paths.
    """
    return [
        entry
        for entry in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if not entry.name.startswith((".", "__MACOSX"))
        and (
            not suffixes
            or (entry.suffix.lower() in suffixes and not entry.is_dir())
        )
    ]


def existing(path):
    """The path of a folder; a `DataError` where there is none."""
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


def _folders(path):
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
            return images, path / name
    raise DataError(
        "KS-D001",
        path,
        f"has no folder of masks; it holds {_content(path)}",
        "masks are looked for in labels, masks or annotations",
        fix="rename the folder of masks to labels",
    )


def _existing_masks(path):
    if path.is_dir():
        return path
    raise DataError(
        "KS-D001",
        path,
        "does not exist",
        "masks are looked for beside the folder of images",
        fix="add the masks, or correct the path",
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
            return any(image.stem == first for image in folder.iterdir())
    return False
