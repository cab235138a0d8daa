"""Places of images, masks, splits and class tables in a folder."""

import os
import pathlib
import re

from keras_seg import words
from keras_seg.data.errors import DataError
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.text import text_head

__all__ = [
    "CLASS_FILES",
    "MASK_FOLDERS",
    "choose_split",
    "existing",
    "find_classes",
    "find_folders",
    "folder_splits",
    "missing_split",
    "refuse_masks_beside",
    "role_of",
    "sorted_splits",
    "visible",
]

CLASS_FILES = ("classes.csv", "classes.yaml", "classes.yml")
MASK_FOLDERS = ("labels", "masks", "annotations")
_FIRST = ("train", "val", "test")
# What other tools call them: Train, train2017, valid, Validation; Tr and Ts.
_ROLES = {
    "train": re.compile(r"(tr|train|training|trainval)(set)?([^a-z].*)?"),
    "val": re.compile(r"(val|valid|validation)(set)?([^a-z].*)?"),
    "test": re.compile(r"(ts|test|testing)(set)?([^a-z].*)?"),
}
_NO_LISTS = ("classes.txt", "class_names.txt", "labels.txt", "labelmap.txt")
_PEEK = 2**16


def folder_splits(path):
    """The splits of a folder of images and masks: folders, or lists of stems.

    Images in `path/images` beside folders of validation and test images are
    the split "train". Images that would be in no split are a `DataError`.
    """
    path = existing(path)
    parts = {f.name for f in visible(path) if (f / "images").is_dir()}
    lists = set()
    if parts or (path / "images").is_dir():
        lists = {f.stem for f in visible(path, ".txt") if _lists(f)}
    nested = set() if lists else set(_nested_splits(path))
    loose = visible(path / "images", *SUFFIXES)
    if nested and (parts or loose):
        raise _beside(path, nested, loose, parts, "images/train")
    if loose and parts and not lists:
        if not {role_of(name) for name in parts} <= {"val", "test"}:
            raise _beside(path, parts, loose, (), "train/images")
        parts.add("train")
    return sorted_splits(parts | lists | nested)


def _nested_splits(path):
    """Folders that exist both in `images` and in a folder of masks."""
    return [
        folder.name
        for folder in visible(path / "images")
        if folder.is_dir()
        and any((path / m / folder.name).is_dir() for m in MASK_FOLDERS)
    ]


def _beside(path, splits, loose, others, place):
    """The `DataError` of images or folders that no split would have."""
    splits = sorted(splits)
    found = f"has folders of splits, {', '.join(sorted(others))},"
    if loose:
        named = ", ".join(file.name for file in loose[:3])
        more = ", ..." if len(loose) > 3 else ""
        images = words.count(len(loose), "image")
        found = f"has {images} ({named}{more}) in images"
    return DataError(
        "KS-D002",
        path,
        f"{found} beside the splits {', '.join(splits)}",
        "these would be left out: all images are in folders of splits, in one "
        "way, or all are in one folder",
        fix=f"move them into a split such as {path / place}, with their "
        f"masks, or take the folder {splits[0]} away",
    )


def role_of(name):
    """The role of a split by its name: "train", "val", "test" or `None`.

    Example:

    >>> from keras_seg.data.layout import role_of
    >>> [role_of(name) for name in ("Train", "valid", "test2017", "valley")]
    ['train', 'val', 'test', None]
    """
    roles = [r for r, names in _ROLES.items() if names.fullmatch(name.lower())]
    return roles[0] if roles else None


def choose_split(names, role):
    """The split for the role "train" or "val", or `None`.

    The name of the role itself, in any case, is preferred to longer names. If
    none is for training, the only split without a role is, such as CVAT's
    "default". Several candidates are a `DataError`.
    """
    found = [name for name in names if role_of(name) == role]
    if role == "train" and not found:
        found = [name for name in names if role_of(name) is None]
        found = found if len(found) == 1 else []
    exact = [name for name in found if name.lower() == role]
    found = exact or found
    if len(found) > 1:
        raise DataError(
            "KS-D002",
            " and ".join(found),
            f"may both be meant by {role}",
            "one split is taken",
            fix=f"name it: --{role}-split of train, --split of evaluate, in "
            "Python split=",
        )
    return found[0] if found else None


def sorted_splits(names):
    """Sort names of splits, with "train", "val" and "test" first."""
    rank = {name: i for i, name in enumerate(_FIRST)}
    return tuple(sorted(names, key=lambda n: (rank.get(n, len(rank)), n)))


def find_folders(path, split=None):
    """The folders of images and masks and the list of stems of a split.

    The split `None` is all of `path/images`. The list is `None` if the split
    is a folder.
    """
    path = existing(path)
    names = folder_splits(path)
    list_file = path / f"{split}.txt"
    listed = split is not None and list_file.is_file()
    if split is None:
        listed = all((path / f"{name}.txt").is_file() for name in names)
        if names and not (listed and (path / "images").is_dir()):
            raise missing_split(path, None, names)
        return *_folders(path), None
    if (path / split / "images").is_dir():
        return *_folders(path / split), list_file if listed else None
    if (path / "images" / split).is_dir():
        images = path / "images" / split
        return images, _masks(path, split), list_file if listed else None
    if not listed and split not in names:
        looked = f": neither {split}/images nor {split}.txt"
        raise missing_split(path, split, names, looked)
    return *_folders(path), list_file if listed else None


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
    """The class table in the folder or the one above, or `None`.

    The folder above is another data set if it has images of its own, unless
    this folder has the name of a split or of masks.
    """
    path = pathlib.Path(path).absolute()
    part = path.name in MASK_FOLDERS or role_of(path.name) is not None
    other = not part and _is_data_set(path.parent, (path / "images").is_dir())
    for folder in [path] if other else [path, path.parent]:
        for name in CLASS_FILES:
            if os.path.lexists(folder / name):
                return folder / name
    return None


def _is_data_set(folder, may_be_split):
    """Whether a folder has images of its own, in it or in splits beside."""
    signs = ["images", "annotations", "JPEGImages", "data.yaml"]
    if not may_be_split:
        signs += [f"{name}/images" for name in ("train", "training", "val")]
        signs += [f"{name}/images" for name in ("valid", "validation", "test")]
    return any((folder / sign).exists() for sign in signs)


def refuse_masks_beside(path, annotations):
    """Refuse annotations of a tool beside a plain folder of masks."""
    for place in (path, *filter(pathlib.Path.is_dir, visible(path))):
        for folder in (place / name for name in MASK_FOLDERS):
            holds = _holds_masks(folder)
            if folder.name == "annotations":  # Beside COCO's panoptic ones.
                holds = visible(folder, *SUFFIXES)
            if holds and (place / "images").is_dir():
                raise DataError(
                    "KS-D002",
                    path,
                    f"has annotations in {annotations.relative_to(path)} and "
                    f"masks in {folder.relative_to(path)}",
                    "one of the two would be left out",
                    fix="move away what is not meant",
                )


def visible(folder, *suffixes):
    """The entries of a folder that are not hidden, sorted by name.

    With suffixes, in lower case, only files that have one, in any case.
    """
    return [
        entry
        for entry in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if not entry.name.startswith((".", "__MACOSX", "@eaDir"))
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
    return images, _masks(path)


def _masks(path, split=""):
    """The folder of masks; if there are several, the one with pictures."""
    found = [path / m / split for m in MASK_FOLDERS]
    found = [folder for folder in found if folder.is_dir()]
    full = [folder for folder in found if _holds_masks(folder)]
    if len(full) > 1:
        raise DataError(
            "KS-D001",
            path,
            f"has masks in {full[0].relative_to(path)} and in "
            f"{full[1].relative_to(path)}",
            "an image has one mask",
            fix="rename or move away the folder that is not meant",
        )
    if found:
        return (full or found)[0]
    raise DataError(
        "KS-D001",
        path,
        f"has no folder of masks; it holds {_content(path)}",
        "masks are looked for in labels, masks or annotations",
        fix="rename the folder of masks to labels",
    )


def _holds_masks(folder):
    """Whether a folder has pictures, or folders of classes that have some."""
    inner = [entry for entry in visible(folder) if entry.is_dir()]
    kinds = (*SUFFIXES, ".npz")
    return any(visible(place, *kinds) for place in (folder, *inner))


def _content(path):
    names = sorted(entry.name for entry in path.iterdir())
    if len(names) > 6:
        names = [*names[:6], f"and {len(names) - 6} more"]
    return ", ".join(names) or "nothing"


def _lists(file):
    """Whether a text file lists images, if only by paths that are refused."""
    if file.name in _NO_LISTS:
        return False
    names = []
    for line in text_head(file, _PEEK).splitlines()[:100]:
        line = line.strip().replace("\\", "/")
        names.append(pathlib.PurePosixPath(line))
        # The path of an image may have that of its mask behind it.
        first = pathlib.PurePosixPath(*line.split()[:1])
        if first.suffix.lower() in SUFFIXES:
            names.append(first)
    for folder in (file.parent / "images", file.parent / file.stem / "images"):
        if folder.is_dir():
            inside: dict[pathlib.Path, set[str]] = {}
            for name in names:
                places = [folder / name.parent]
                if len(name.parts) > 1:
                    places.append(file.parent / name.parent)
                if role_of(file.stem):
                    places.append(folder)
                for place in places:
                    if place not in inside:
                        inside[place] = _stems(place)
                    if name.name in inside[place] or name.stem in inside[place]:
                        return True
            return False
    return False


def _stems(folder):
    return {image.stem for image in visible(folder, *SUFFIXES)}
