"""Class ids of masks: finding, counting and checking them."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.text import listing

__all__ = [
    "ClassStatistics",
    "class_statistics",
    "classes_of_ids",
    "count_ids",
    "ids_of_mask",
    "normalize_mask",
    "refuse_black_and_white",
    "statistics_of_counts",
    "statistics_of_planes",
]


def ids_of_mask(mask):
    """The sorted ids of a mask, a list of int."""
    ids = mask.ravel()
    # Only pixels that differ from the one before: few, but with every id.
    changes = ids[1:] != ids[:-1]
    return np.unique(np.concatenate([ids[:1], ids[1:][changes]])).tolist()


def normalize_mask(mask, class_table, file, ids=None):
    """Check the ids of one mask and map every void id to 255.

    Args:
        mask: integer array `(height, width)`.
        class_table: `ClassTable`.
        file: str or path, named where an id is outside.
        ids: optional list, `ids_of_mask(mask)` where it is known.

    Returns:
        uint8 array `(height, width)` of 0..C-1 and 255.
    """
    ids = ids_of_mask(mask) if ids is None else ids
    void = class_table.ignore_classes | {VOID}
    outside = [
        i for i in ids if not 0 <= i < len(class_table) and i not in void
    ]
    if outside:
        raise DataError(
            "KS-D003",
            file,
            f"has the ids {listing(ids)}",
            _allowed(class_table),
            guess=_guess(ids, outside, class_table),
            fix=(
                "give every id a line in classes.csv (role 'void' to ignore "
                "it), or renumber the masks"
            ),
        )
    for i in void.intersection(ids) - {VOID}:
        mask = np.where(mask == i, VOID, mask)
    return mask.astype("uint8")


def refuse_black_and_white(id_lists, class_table, files):
    """Refuse a data set whose masks hold nothing but 0 and 255.

    One such mask is class 0 and void. If all are such, the second class was
    written as white, and a model would learn to predict 0 everywhere.

    Args:
        id_lists: list of the ids of each mask.
        class_table: `ClassTable`, or `None` where it was to be found from ids.
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
        _allowed(class_table)
        if class_table
        else f"ids are 0..C-1, {VOID} is void",
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
    """The class table of masks without one: ids 0 to the largest but 255."""
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


def _allowed(class_table):
    count = len(class_table)
    classes_text = "1 class" if count == 1 else f"{count} classes"
    ids = "0" if count == 1 else f"0..{count - 1}"
    void = listing(sorted(class_table.ignore_classes | {VOID}))
    return f"the data set has {classes_text}: {ids}, and {void} for void"


def _guess(ids, outside, class_table):
    count = len(class_table)
    if outside == [count] and 0 not in ids:
        return "The ids seem to start at 1 instead of 0."
    if outside == [count]:
        return "One class may be missing from the table."
    if len(ids) <= 8 and 2 * count < outside[-1] <= VOID:
        return "The ids look like gray levels, drawn to be seen."
    return None


@dataclasses.dataclass(frozen=True)
class ClassStatistics:
    """Numbers of pixels and images of each class.

    Args:
        pixels: int64 array `(classes,)`, the pixels of each class.
        images: int64 array `(classes,)`, the images that have the class.
        pixels_of_images: int64 array `(classes,)`, the pixels of those
            images that are not void: SegNet's median frequency is made of
            `pixels / pixels_of_images`
            (https://arxiv.org/abs/1511.00561, section 4.2).
        void: int, the pixels of no class; of several labels, the void of
            all planes.
        total_images: int.
        negatives: optional int64 array `(classes,)`, of several labels the
            pixels that are known not to have each class.
    """

    pixels: NDArray[np.int64]
    images: NDArray[np.int64]
    pixels_of_images: NDArray[np.int64]
    void: int
    total_images: int
    negatives: NDArray[np.int64] | None = None

    @property
    def labelled(self) -> int:
        """The pixels that have a class; of several labels, the entries of all
        planes that are not void."""
        negatives = 0 if self.negatives is None else self.negatives.sum()
        return int(self.pixels.sum() + negatives)

    @property
    def shares(self) -> NDArray[np.float64]:
        """The part of the labelled pixels that each class has, float64; of
        several labels, of those labelled in its plane."""
        if self.negatives is not None:
            return self.pixels / np.maximum(1, self.pixels + self.negatives)
        return self.pixels / max(1, self.labelled)

    @property
    def void_share(self) -> float:
        """The part of all pixels, or of all planes, that is void."""
        return self.void / max(1, self.labelled + self.void)


def class_statistics(
    data: Any, class_table: ClassTable | int | None = None
) -> ClassStatistics:
    """Count the pixels and the images of each class.

    Of several labels the planes are counted one by one: `pixels_of_images`
    are then those that are not void in the plane of the class.

    Args:
        data: a `Folder`, or a sequence of `(image, mask)`. Of a `Folder` the
            masks alone are read.
        class_table: optional `ClassTable` or int, the number of classes. By
            default those of `data`, or else the largest id and those below.

    Returns:
        A `ClassStatistics`.

    Raises:
        DataError: a mask has an id that is neither a class nor void.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data.ids import class_statistics
    >>> masks = np.array([[[0, 0, 1]], [[0, 0, 255]]])
    >>> found = class_statistics([(None, mask) for mask in masks])
    >>> found.pixels, found.images, found.pixels_of_images, found.void
    (array([4, 1]), array([2, 1]), array([5, 3]), 1)
    """
    if class_table is None:
        class_table = getattr(data, "class_table", None)
    read_ids = getattr(data, "read_ids", None)
    counts: list = []
    planes: list = []
    for index in range(len(data)):
        mask = read_ids(index) if read_ids else np.asarray(data[index][1])
        if mask.ndim == 3:
            planes.append(_planes_of(data, index, mask, class_table))
            continue
        ids, pixels = count_ids(mask)
        if class_table is not None and not isinstance(class_table, int):
            file = data.pairs[index].mask if read_ids else f"mask {index}"
            ids = normalize_mask(ids[None], class_table, file)[0]
        counts.append((ids, pixels))
    if planes:
        if counts:
            raise ValueError(
                "All masks must have planes, or none. Received: "
                f"{len(planes)} masks of several labels, {len(counts)} of one "
                "id a pixel"
            )
        return statistics_of_planes(planes, len(planes[0]))
    if class_table is None:
        found = np.concatenate([ids for ids, _ in counts] or [np.zeros(0)])
        class_table = int(max(found[found != VOID], default=0)) + 1
    if not isinstance(class_table, int):
        class_table = len(class_table)
    return statistics_of_counts(counts, class_table)


def count_ids(mask):
    """The sorted ids of a mask and their pixels, two int64 arrays."""
    if mask.dtype == np.uint8:
        counts = np.bincount(mask.ravel(), minlength=256)
        ids = np.flatnonzero(counts)
        return ids, counts[ids]
    ids, counts = np.unique(mask, return_counts=True)
    return ids.astype("int64"), counts.astype("int64")


def statistics_of_counts(counts, classes, ignore_classes=(VOID,)):
    """A `ClassStatistics` of what `count_ids` gave for each mask.

    Ids that are neither one of so many classes nor void are left out.
    """
    pixels, images, pixels_of_images = np.zeros((3, classes), "int64")
    void = total = 0
    for ids, count in counts:
        total += 1
        void += int(count[np.isin(ids, list(ignore_classes))].sum())
        known = (ids >= 0) & (ids < classes)
        ids, count = ids[known], count[known]
        pixels[ids] += count
        images[ids] += 1
        pixels_of_images[ids] += count.sum()
    return ClassStatistics(pixels, images, pixels_of_images, void, total)


def _planes_of(data, index, mask, class_table):
    """`count_planes` of a mask of several labels, void as 255."""
    from keras_seg.data.stacks import count_planes
    from keras_seg.data.stacks import label_table
    from keras_seg.data.stacks import normalize_stack

    pairs = getattr(data, "pairs", None)
    file = f"mask {index}"
    if pairs is not None:
        file = pairs[index].planes or pairs[index].mask
    if class_table is None or isinstance(class_table, int):
        count = mask.shape[2] if class_table is None else class_table
        class_table = label_table(f"class {k}" for k in range(count))
    return count_planes(normalize_stack(mask, class_table, file))


def statistics_of_planes(counts, classes, ignore_classes=(VOID,)):
    """A `ClassStatistics` of what `count_planes` gave for each mask.

    Values other than 0, 1 and void are left out.
    """
    void = {*ignore_classes} - {0, 1}
    sums = np.zeros((4, classes), "int64")  # 1, 0, void, images with a 1
    known = np.zeros(classes, "int64")
    for planes in counts:
        for k, (values, pixels) in enumerate(planes):
            one, zero, unknown = (
                int(pixels[np.isin(values, list(wanted))].sum())
                for wanted in ((1,), (0,), void)
            )
            sums[:, k] += one, zero, unknown, one > 0
            known[k] += (one + zero) * (one > 0)
    return ClassStatistics(
        sums[0], sums[3], known, int(sums[2].sum()), len(counts), sums[1]
    )
