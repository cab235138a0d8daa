"""Masks and predictions in NumPy: checked, and counted class by class."""

import numpy as np

__all__ = ["check_pair", "count_pairs"]


def check_pair(truth, prediction, num_classes, ignore_class):
    """Checks the shapes and the ids of one mask and its prediction.

    Args:
        truth: integer array `(height, width)`, or of any shape.
        prediction: integer array of that shape.
        num_classes: int.
        ignore_class: int, the label of void pixels in the truth, or None.

    Returns:
        Tuple of int64 arrays (truth, prediction) and a bool array, where the
        truth is not void.

    Raises:
        ValueError: for other shapes, fractions, or an id outside the classes.
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape or not all(
        np.issubdtype(x.dtype, np.integer) for x in (truth, prediction)
    ):
        raise ValueError(
            "A mask and its prediction must be integer arrays of one shape. "
            f"Received: {truth.shape} of {truth.dtype} and "
            f"{prediction.shape} of {prediction.dtype}"
        )
    known = np.full(truth.shape, True)
    if ignore_class is not None:
        known = truth != ignore_class
    or_void = "" if ignore_class is None else f", or {ignore_class} for void"
    for name, ids, void in (
        ("Masks", truth[known], or_void),
        ("Predictions", prediction, ""),
    ):
        if ids.size and not 0 <= ids.min() <= ids.max() < num_classes:
            wrong = np.unique(ids[(ids < 0) | (ids >= num_classes)])
            raise ValueError(
                f"{name} must hold ids in 0...{num_classes - 1}{void}. "
                f"Received: ids {wrong[:10].tolist()}"
            )
    return truth.astype(np.int64), prediction.astype(np.int64), known


def count_pairs(truth, prediction, num_classes, ignore_class=255):
    """Counts which class was taken for which.

    Args:
        truth: integer array.
        prediction: integer array of that shape.
        num_classes: int.
        ignore_class: int, the id in `truth` that does not count, or None.

    Returns:
        int64 array `(num_classes, num_classes)`, rows are the truth.

    Raises:
        ValueError: if another id in `truth` is no class.

    Example:

    >>> import numpy as np
    >>> from keras_seg.metrics import count_pairs
    >>> count_pairs(np.array([0, 1, 1, 255]), np.array([0, 1, 0, 1]), 2)
    array([[1, 0],
           [1, 1]])
    """
    truth, prediction, known = check_pair(
        truth, prediction, num_classes, ignore_class
    )
    bins = truth[known] * num_classes + prediction[known]
    counts = np.bincount(bins, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)
