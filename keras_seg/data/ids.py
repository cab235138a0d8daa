"""Class ids in masks: what is there, what is allowed, what was meant."""

import numpy as np

from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.text import listing

__all__ = [
    "classes_of_ids",
    "ids_of_mask",
    "normalize_mask",
    "refuse_black_and_white",
]


def ids_of_mask(mask):
    """The ids that occur in a mask, in order, as a list of int."""
    ids = mask.ravel()
    # Where an id differs from the one before: few pixels, and every id.
    changes = ids[1:] != ids[:-1]
    return np.unique(np.concatenate([ids[:1], ids[1:][changes]])).tolist()


def normalize_mask(mask, classes, file, ids=None):
    """Check the ids of one mask and map every void id to 255.

    Args:
        mask: integer array `(height, width)`.
        classes: `ClassTable`.
        file: str or path, named where an id is outside.
        ids: optional list, `ids_of_mask(mask)` where it is known.

    Returns:
        uint8 array `(height, width)` of 0..C-1 and 255.
    """
    ids = ids_of_mask(mask) if ids is None else ids
    void = classes.void_ids | {VOID}
    outside = [i for i in ids if not 0 <= i < len(classes) and i not in void]
    if outside:
        raise DataError(
            "KS-D003",
            file,
            f"has the ids {listing(ids)}",
            _allowed(classes),
            guess=_guess(ids, outside, classes),
            fix=(
                "give every id a line in classes.csv (role 'void' to ignore "
                "it), or renumber the masks"
            ),
        )
    for i in void.intersection(ids) - {VOID}:
        mask = np.where(mask == i, VOID, mask)
    return mask.astype("uint8")


def refuse_black_and_white(id_lists, classes, files):
    """Refuse a data set whose masks hold nothing but 0 and 255.

    Taken by itself such a mask is class 0 and void. Where all are alike, the
    second class was written as white, and a model would learn to predict 0
    everywhere.

    Args:
        id_lists: list of the ids of each mask.
        classes: `ClassTable`, or `None` where it was to be found from ids.
        files: list of the paths of the masks.
    """
    if set().union(*id_lists) != {0, VOID}:
        return
    count = len(id_lists)
    first = next(i for i, ids in enumerate(id_lists) if VOID in ids)
    raise DataError(
        "KS-D003",
        files[first],
        f"has the ids {listing(id_lists[first])}",
        _allowed(classes) if classes else f"ids are 0..C-1, {VOID} is void",
        guess=(
            f"The masks ({count} read) hold nothing but 0 and 255: "
            "they look like black-and-white masks, not like void."
        ),
        fix=(
            "read them with mask_values={0: 0, 255: 1}, on the command line "
            "--mask-values 0:0,255:1"
        ),
    )


def classes_of_ids(id_lists, files):
    """The class table of masks that come without one: 0..max, 255 void."""
    for ids, file in zip(id_lists, files, strict=True):
        if ids[0] < 0 or ids[-1] > VOID:
            raise DataError(
                "KS-D003",
                file,
                f"has the ids {listing(ids)}",
                f"ids are 0..{VOID - 1}, {VOID} is void",
                fix="renumber the masks",
            )
    found = set().union(*id_lists) - {VOID}
    if not found:
        raise DataError(
            "KS-D010",
            files[0],
            f"and the other masks ({len(files)} read) are void everywhere",
            "some pixels must have a class",
            fix="check how the masks were written",
        )
    return ClassTable.default(max(found) + 1)


def _allowed(classes):
    count = len(classes)
    classes_text = "1 class" if count == 1 else f"{count} classes"
    ids = "0" if count == 1 else f"0..{count - 1}"
    void = listing(sorted(classes.void_ids | {VOID}))
    return f"the data set has {classes_text}: {ids}, and {void} for void"


def _guess(ids, outside, classes):
    count = len(classes)
    if outside == [count] and 0 not in ids:
        return "The ids seem to start at 1 instead of 0."
    if outside == [count]:
        return "One class may be missing from the table."
    if len(ids) <= 8 and 2 * count < outside[-1] <= VOID:
        return "The ids look like gray levels, drawn to be seen."
    return None
