"""The images, masks and pixels that windows are drawn from."""

import numpy as np

from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.ids import classes_of_ids
from keras_seg.data.ids import ids_of_mask
from keras_seg.data.ids import normalize_mask
from keras_seg.data.pair_cache import PairCache
from keras_seg.data.pair_cache import naming_pair

__all__ = ["pixels_of_classes", "read_images_and_masks", "with_classes"]


def read_images_and_masks(data):
    """Reads all pairs of a data set.

    Args:
        data: sequence of tuples (image, mask).

    Returns:
        Tuple of a list of images `(height, width, channels)` of one dtype,
        uint8 or float32, and a list of integer masks.

    Raises:
        ValueError: if there are none, if a pair is no image and mask, or if
            their channels differ.
    """
    if len(data) == 0:
        raise ValueError(
            "`data` must have at least one pair. Received: an empty data set"
        )
    pairs = PairCache(data, keep=False)
    images, masks = [], []
    for index in range(len(data)):
        with naming_pair(index):
            image, mask = pairs[index]
        images.append(image)
        masks.append(mask)
        channels = images[0].shape[2]
        if image.shape[2] != channels:
            raise ValueError(
                "`data` must have images of one number of channels. Received: "
                f"{channels} in pair 0, {image.shape[2]} in pair {index}"
            )
    dtype = np.result_type(*{image.dtype for image in images})
    return [image.astype(dtype, copy=False) for image in images], masks


def with_classes(data, masks, classes=None):
    """The classes of masks, and the masks with 255 for every void.

    Args:
        data: what the masks are from; its `classes` are the default.
        masks: list of integer arrays `(height, width)`.
        classes: optional `ClassTable` or int, the number of classes. Without
            any, the largest id and those below.

    Returns:
        Tuple of a `ClassTable` and a list of uint8 masks.

    Raises:
        DataError: an id is neither a class nor void.
    """
    files = [f"mask {index}" for index in range(len(masks))]
    if classes is None:
        classes = getattr(data, "classes", None)
    if classes is None:
        classes = classes_of_ids([ids_of_mask(mask) for mask in masks], files)
    if not isinstance(classes, ClassTable):
        classes = ClassTable.default(classes)
    masks = [
        normalize_mask(mask, classes, file)
        for mask, file in zip(masks, files, strict=True)
    ]
    return classes, masks


def pixels_of_classes(masks, classes):
    """The pixels that each class has, numbered through all masks.

    Args:
        masks: list of uint8 arrays `(height, width)`, where 255 is void.
        classes: `ClassTable`.

    Returns:
        List of arrays of unsigned integers, ascending.

    Raises:
        ValueError: for a class that has none.

    Example:

    >>> import numpy as np
    >>> masks = [np.array([[1, 0, 255]], "uint8"), np.array([[1]], "uint8")]
    >>> [pixels.tolist() for pixels in
    ...  pixels_of_classes(masks, ClassTable.default(2))]
    [[1], [0, 3]]
    """
    ids = np.concatenate([mask.ravel() for mask in masks])
    counts = np.bincount(ids, minlength=VOID + 1)[: len(classes)]
    if not counts.all():
        absent = int(np.argmin(counts))
        raise ValueError(
            "Every class must have pixels, for as many of each are drawn. "
            f"Received: none of class {absent} ({classes.names[absent]!r}). "
            "Fix: add a mask that has it, or leave it out of `classes`"
        )
    dtype = np.min_scalar_type(ids.size)
    return [
        np.flatnonzero(ids == number).astype(dtype)
        for number in range(len(classes))
    ]
