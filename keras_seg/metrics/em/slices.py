"""What the metrics of electron microscopy take, checked."""

import numpy as np

__all__ = [
    "THRESHOLDS",
    "as_stack",
    "check_labels",
    "check_maps",
    "check_thresholds",
]

# The 10 levels that U-Net's paper names; above an 11th, 1, nothing would be.
THRESHOLDS = tuple(level / 10 for level in range(10))

LARGEST_LABEL = np.iinfo(np.int32).max


def as_stack(name, array):
    """Checks that an array is a slice or a stack, and gives the stack.

    Args:
        name: str, the argument to name in an error.
        array: array `(h, w)` or `(n, h, w)`.

    Returns:
        Array `(n, h, w)`.

    Raises:
        ValueError: for any other shape.
    """
    array = np.asarray(array)
    if (
        array.ndim not in (2, 3)
        or 0 in array.shape
        or array.dtype.kind in "OUS"
    ):
        raise ValueError(
            f"`{name}` must be one slice (h, w) or a stack of slices (n, h, w)"
            f", not empty. Received: shape {array.shape}, dtype {array.dtype}"
        )
    if array.ndim == 3 and array.shape[-1] == 1:
        raise ValueError(
            f"`{name}` must be one slice (h, w) or a stack of slices "
            f"(n, h, w), without channels. Fix: {name}[..., 0]. "
            f"Received: shape {array.shape}"
        )
    return array if array.ndim == 3 else array[None]


def check_maps(truth, probability):
    """Checks a true mask and the map that was found.

    Args:
        truth: array `(h, w)` or `(n, h, w)`, where cell interior is not zero.
        probability: array of that shape, of cell interior, in 0...1.

    Returns:
        Tuple of a bool and a float64 array, `(n, h, w)`.

    Raises:
        ValueError: for other shapes, NaN, or values outside 0...1.
    """
    truth, probability = np.asarray(truth), np.asarray(probability)
    _check_one_shape("probability", truth, probability)
    truth = as_stack("truth", truth)
    probability = as_stack("probability", probability).astype(np.float64)
    if truth.dtype.kind == "f" and np.isnan(truth).any():
        raise ValueError(
            "`truth` must be a mask, not zero where cell interior is. "
            f"Received: {np.isnan(truth).sum()} values NaN"
        )
    low, high = probability.min(), probability.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(
            "`probability` must be that of cell interior, in 0...1. Fix: a "
            "sigmoid for logits, / 255 for an 8-bit map. "
            f"Received: values in {low}...{high}"
        )
    return truth != 0, probability


def check_labels(truth, segmentation):
    """Checks two label maps.

    Args:
        truth: integer array `(h, w)` or `(n, h, w)`.
        segmentation: integer array of that shape.

    Returns:
        Tuple of two int64 arrays `(n, h, w)`.

    Raises:
        ValueError: for other shapes, fractions, or negative labels.
    """
    truth, segmentation = np.asarray(truth), np.asarray(segmentation)
    _check_one_shape("segmentation", truth, segmentation)
    stacks = []
    for name, labels in (("truth", truth), ("segmentation", segmentation)):
        labels = as_stack(name, labels)
        if labels.dtype.kind not in "biu":
            raise ValueError(
                f"`{name}` must hold integer labels, 0 for membrane. Fix: "
                "`regions` of a mask, or `thin` of a thresholded map. "
                f"Received: dtype {labels.dtype}"
            )
        if not 0 <= labels.min() <= labels.max() <= LARGEST_LABEL:
            raise ValueError(
                f"`{name}` must hold labels in 0...{LARGEST_LABEL}. "
                f"Received: labels in {labels.min()}...{labels.max()}"
            )
        stacks.append(labels.astype(np.int64))
    return tuple(stacks)


def check_thresholds(thresholds):
    """Checks thresholds; None is those of the challenge.

    Args:
        thresholds: float, floats in 0...1, or None.

    Returns:
        Tuple of floats.

    Raises:
        ValueError: if there is none, or one outside 0...1.
    """
    levels = np.atleast_1d(THRESHOLDS if thresholds is None else thresholds)
    if (
        levels.ndim != 1
        or levels.dtype.kind not in "biuf"
        or not levels.size
        or not ((levels >= 0) & (levels <= 1)).all()
    ):
        raise ValueError(
            "`thresholds` must be one or more numbers in 0...1, or None for "
            f"{THRESHOLDS}. Received: thresholds={thresholds!r}"
        )
    return tuple(float(level) for level in levels)


def _check_one_shape(name, truth, other):
    if truth.shape != other.shape:
        raise ValueError(
            f"`truth` and `{name}` must have one shape. "
            f"Received: {truth.shape} and {other.shape}"
        )
