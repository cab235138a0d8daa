"""Images, logits and masks that a CRF is tuned on, read once and checked."""

import dataclasses
import itertools

import keras
import numpy as np

from keras_seg.metrics import count_pairs

__all__ = ["Sample", "read_samples"]

# Logits of more bytes than this are kept in half of them.
_FLOAT32_BYTES = 2**30


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """An image, the logits of a network on it, and the truth.

    Attributes:
        image: array `(height, width, channels)`, 0 … 255.
        logits: float32 or float16 array `(height, width, classes)`.
        mask: integer array `(height, width)`.
    """

    image: np.ndarray
    logits: np.ndarray
    mask: np.ndarray


def read_samples(data, model, ignore_class, limit, progress):
    """Reads samples, and counts what the logits alone get right.

    Args:
        data, model, ignore_class, limit: of `keras_seg.crf_search`.
        progress: function of the number of samples read.

    Returns:
        Tuple (samples, matrix): list of `Sample`, and the int64 confusion
        matrix `(classes, classes)` of the largest logits.

    Raises:
        ValueError: for what can't be, naming the item.
    """
    samples: list[Sample] = []
    matrix: np.ndarray | None = None
    kept = 0
    for number, item in enumerate(itertools.islice(iter(data), limit)):
        image, logits, mask = _arrays(number, item, model)
        classes = logits.shape[-1] if matrix is None else len(matrix)
        _check(number, image, logits, mask, classes)
        try:
            found = count_pairs(mask, logits.argmax(-1), classes, ignore_class)
        except ValueError as error:
            raise ValueError(f"Item {number} of `data`: {error}") from None
        matrix = found if matrix is None else matrix + found
        kept += logits.nbytes
        if kept > _FLOAT32_BYTES:
            logits = _halved(logits)
        samples.append(Sample(image, logits, mask))
        progress(len(samples))
    if matrix is None:
        raise ValueError("`data` must have at least one item. Received: none")
    if not matrix.any():
        raise ValueError(
            "The masks must have pixels that are not void. Received: "
            f"{len(samples)} masks of ignore_class={ignore_class} alone"
        )
    return samples, matrix


def _arrays(number, item, model):
    if len(item) != (3 if model is None else 2):
        raise ValueError(
            "`data` must give pairs (image, mask) for a model, or triples "
            "(image, logits, mask) without one. Received: item "
            f"{number} of length {len(item)}, model={model!r}"
        )
    image, mask = np.asarray(item[0]), np.asarray(item[-1])
    if model is None:
        logits = keras.ops.convert_to_numpy(item[1])
    else:
        logits = keras.ops.convert_to_numpy(model.predict_on_batch(image[None]))
        logits = logits[0]
    return image, logits.astype("float32", copy=False), mask


def _check(number, image, logits, mask, classes):
    fits = image.ndim == logits.ndim == 3 and mask.dtype.kind in "iu"
    if (
        not fits
        or not image.shape[:2] == logits.shape[:2] == mask.shape
        or image.size == 0
    ):
        raise ValueError(
            "An item must be an image (height, width, channels), logits "
            "(height, width, classes) and an integer mask (height, width), of "
            f"one size. Received: item {number} with an image {image.shape}, "
            f"logits {logits.shape} and a mask {mask.shape} of {mask.dtype}"
        )
    if logits.shape[-1] != classes or classes < 2:
        raise ValueError(
            "There must be logits of at least two classes, as many for all "
            f"images. Received: {logits.shape[-1]} in item {number}, {classes} "
            "in the first"
        )
    if not np.isfinite(logits).all():
        raise ValueError(
            f"Logits must be finite. Received: item {number} with NaN or "
            "infinity"
        )
    if logits.min() >= 0 and np.abs(logits.sum(-1) - 1).max() < 1e-3:
        raise ValueError(
            "Logits are what goes into the softmax, not its probabilities: "
            "leave the softmax out, or give numpy.log of them. Received: "
            f"item {number} whose scores sum to 1 at every pixel"
        )


def _halved(logits):
    """The same but for a constant at each pixel, as float16.

    The largest become 0, where the numbers lie close.
    """
    least = np.finfo("float16").min
    logits = logits - logits.max(axis=-1, keepdims=True)
    return np.maximum(logits, least).astype("float16")
