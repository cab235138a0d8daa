"""How many pixels and images of a data set each class has."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from keras_seg.data.classes import VOID
from keras_seg.data.ids import normalize_mask

__all__ = [
    "ClassStatistics",
    "class_statistics",
    "count_ids",
    "statistics_of_counts",
]


@dataclasses.dataclass(frozen=True)
class ClassStatistics:
    """The histogram of the classes, by pixel and by image.

    Args:
        pixels: int64 array `(classes,)`, the pixels of each class.
        images: int64 array `(classes,)`, the images that have the class.
        pixels_of_images: int64 array `(classes,)`, the pixels of those
            images that are not void: SegNet's median frequency is made of
            `pixels / pixels_of_images`
            (https://arxiv.org/abs/1511.00561, section 4.2).
        void: int, the pixels of no class.
        total_images: int.
    """

    pixels: NDArray[np.int64]
    images: NDArray[np.int64]
    pixels_of_images: NDArray[np.int64]
    void: int
    total_images: int

    @property
    def labelled(self):
        """The pixels that have a class."""
        return int(self.pixels.sum())

    @property
    def shares(self):
        """The part of the labelled pixels that each class has, float64."""
        return self.pixels / max(1, self.labelled)

    @property
    def void_share(self):
        """The part of all pixels that is void."""
        return self.void / max(1, self.labelled + self.void)


def class_statistics(data, classes=None):
    """Count the pixels and the images of each class.

    Args:
        data: a `Folder`, or a sequence of `(image, mask)`. Of a `Folder` the
            masks alone are read.
        classes: optional `ClassTable` or int, the number of classes. By
            default those of `data`, or else the largest id and those below.

    Returns:
        A `ClassStatistics`.

    Raises:
        DataError: a mask has an id that is neither a class nor void.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data.statistics import class_statistics
    >>> masks = np.array([[[0, 0, 1]], [[0, 0, 255]]])
    >>> found = class_statistics([(None, mask) for mask in masks])
    >>> found.pixels, found.images, found.pixels_of_images, found.void
    (array([4, 1]), array([2, 1]), array([5, 3]), 1)
    """
    if classes is None:
        classes = getattr(data, "classes", None)
    read_ids = getattr(data, "read_ids", None)
    counts = []
    for index in range(len(data)):
        mask = read_ids(index) if read_ids else np.asarray(data[index][1])
        ids, pixels = count_ids(mask)
        if classes is not None and not isinstance(classes, int):
            file = data.pairs[index].mask if read_ids else f"mask {index}"
            ids = normalize_mask(ids[None], classes, file)[0]
        counts.append((ids, pixels))
    if classes is None:
        found = np.concatenate([ids for ids, _ in counts] or [np.zeros(0)])
        classes = int(max(found[found != VOID], default=0)) + 1
    if not isinstance(classes, int):
        classes = len(classes)
    return statistics_of_counts(counts, classes)


def count_ids(mask):
    """The ids of a mask, in order, and the pixels of each, two int64 arrays."""
    if mask.dtype == np.uint8:
        counts = np.bincount(mask.ravel(), minlength=256)
        ids = np.flatnonzero(counts)
        return ids, counts[ids]
    ids, counts = np.unique(mask, return_counts=True)
    return ids.astype("int64"), counts.astype("int64")


def statistics_of_counts(counts, classes, void_ids=(VOID,)):
    """A `ClassStatistics` of what `count_ids` gave for each mask.

    Ids that are neither one of so many classes nor void are left out.
    """
    pixels, images, pixels_of_images = np.zeros((3, classes), "int64")
    void = total = 0
    for ids, count in counts:
        total += 1
        void += int(count[np.isin(ids, list(void_ids))].sum())
        known = (ids >= 0) & (ids < classes)
        ids, count = ids[known], count[known]
        pixels[ids] += count
        images[ids] += 1
        pixels_of_images[ids] += count.sum()
    return ClassStatistics(pixels, images, pixels_of_images, void, total)
