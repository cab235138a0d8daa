"""Masks of several labels: for each class a plane of 0, 1 and void.

Such a mask is an integer array `(height, width, classes)`: 1 where the class
is, 0 where it is not, 255 where that is not known.
"""

import re
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_seg import words
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.classes import voc_colormap
from keras_seg.data.errors import DataError
from keras_seg.data.ids import count_ids
from keras_seg.data.text import listing

__all__ = [
    "BETWEEN",
    "classes_in",
    "count_planes",
    "label_folders",
    "label_table",
    "normalize_stack",
    "refuse_white_planes",
    "void_values",
]

BETWEEN = "_-. "  # between the stem of an image and the name of a class
_UNSAFE = re.compile(r'[\x00-\x1f\\/:*?"<>|]|^[. ]|[. ]$')


def label_table(names: Iterable[str]) -> ClassTable:
    """The `ClassTable` of classes that may overlap, without a background.

    The colors are VOC's from 1 on, since black is not drawn.

    Example:

    >>> label_table(["road", "vehicle"]).colors
    ((128, 0, 0), (0, 128, 0))
    """
    names = tuple(names)
    colors = voc_colormap(256)[1:][: len(names)].tolist()
    return ClassTable(names, tuple(map(tuple, colors)), colors_given=False)


def label_folders(names: Sequence[str]) -> tuple[str, ...]:
    """A name of a folder for each class, of its name with "_" for what no
    file may be called.

    Raises:
        ValueError: If two classes would share a folder.

    Example:

    >>> label_folders(["road", "car/truck"])
    ('road', 'car_truck')
    """
    folders = tuple(_UNSAFE.sub("_", name) or "_" for name in names)
    first: dict[str, str] = {}
    for name, folder in zip(names, folders, strict=True):
        other = first.setdefault(folder.casefold(), name)
        if other != name:
            raise ValueError(
                "Each class needs a folder of its own. Received: the classes "
                f"{other!r} and {name!r}, which would both be in {folder}. "
                "Fix: rename one of them"
            )
    return folders


def count_planes(mask: NDArray) -> list[tuple[NDArray, NDArray]]:
    """The sorted values of each plane and their pixels, see `count_ids`."""
    planes = np.moveaxis(mask, -1, 0)
    return [count_ids(np.ascontiguousarray(plane)) for plane in planes]


def classes_in(mask: NDArray) -> NDArray[np.intp]:
    """The classes that some pixel of a mask of several labels has."""
    return np.flatnonzero((mask == 1).any(axis=(0, 1)))


def void_values(class_table):
    """The values in planes that mean void: 0 and 1 never do."""
    return (class_table.ignore_classes | {VOID}) - {0, 1}


def normalize_stack(mask, class_table, file, counts=None):
    """Check the values of a mask of several labels, and make void 255.

    Args:
        mask: integer array `(height, width, classes)`.
        class_table: `ClassTable`, with as many classes.
        file: str or path, or a tuple of one for each class, named in errors.
        counts: optional list, `count_planes(mask)` where it is known.

    Returns:
        uint8 array `(height, width, classes)` of 0, 1 and 255.
    """
    check_planes(mask.shape[2], class_table, file)
    counts = count_planes(mask) if counts is None else counts
    check_values([values for values, _ in counts], class_table, file)
    found = set().union(*(values.tolist() for values, _ in counts))
    for value in found & void_values(class_table) - {VOID}:
        mask = np.where(mask == value, VOID, mask)
    return mask.astype("uint8")


def _of_class(file, k):
    """The file of a class, where there is one for each."""
    if isinstance(file, tuple):
        return file[k] or next(filter(None, file))
    return file


def check_planes(planes, class_table, file):
    """Refuse another number of planes than of classes."""
    if planes != len(class_table):
        names = listing(class_table.names)
        raise DataError(
            "KS-D039",
            _of_class(file, 0),
            f"has {words.count(planes, 'plane')}",
            "a mask of several labels has one for each class: "
            f"{names} ({len(class_table)})",
            guess=(
                "It has one id for each pixel, like a mask without overlaps."
                if planes == 1
                else None
            ),
            fix="correct the class table or the mask, or read masks of one id "
            "a pixel without multi_label",
        )


def check_values(values, class_table, file):
    """Refuse values that are neither 0, 1 nor void; one array for a plane."""
    allowed = void_values(class_table) | {0, 1}
    named = zip(class_table.names, values, strict=True)
    for k, (name, found) in enumerate(named):
        strange = sorted(set(found.tolist()) - allowed)
        if strange:
            raise DataError(
                "KS-D003",
                _of_class(file, k),
                f"has for the class {name} the values "
                f"{listing(found.tolist())}",
                "a plane has 1 where the class is, 0 where it is not, and "
                f"{listing(sorted(allowed - {0, 1}))} for void",
                guess=_guess(found.tolist(), len(values)),
                fix=_fix(found.tolist(), strange),
            )


def _guess(found, planes):
    if planes == 1:
        return (
            "The values may be ids of classes, one for each pixel: read them "
            "without multi_label; or bits, one for each class: write a plane "
            "for each."
        )
    if len(found) <= 2:
        return "The plane may have been drawn in the id or the color it has."
    return None


def _fix(found, strange):
    if len(strange) > 1 or 1 in found:
        return "write such planes"
    values = dict.fromkeys(found, VOID) | {0: 0, strange[0]: 1}
    option = ",".join(f"{value}:{i}" for value, i in values.items())
    return (
        f"write such planes, or read these with mask_values={values}, on the "
        f"command line --mask-values {option}"
    )


def refuse_white_planes(count_lists, class_table, files):
    """Refuse a class whose planes hold nothing but 0 and 255.

    A plane of 0 and 255 is 0 and void. If a class has no other, it was
    written as white.

    Args:
        count_lists: list of `count_planes` of each mask.
        class_table: `ClassTable`.
        files: list of the paths of the masks, or of tuples of paths.
    """
    for k, name in enumerate(class_table.names):
        values = [set(counts[k][0].tolist()) for counts in count_lists]
        if set().union(*values) == {0, VOID}:
            first = next(i for i, own in enumerate(values) if VOID in own)
            raise DataError(
                "KS-D003",
                _of_class(files[first], k),
                f"has for the class {name} the values 0 and 255",
                "a plane has 1 where the class is, 0 where it is not, and 255 "
                "for void",
                guess=f"The planes of {name} ({len(values)} read) hold "
                "nothing but 0 and 255: they look black and white, not void.",
                fix="read them with mask_values={0: 0, 255: 1}, on the command "
                "line --mask-values 0:0,255:1",
            )
