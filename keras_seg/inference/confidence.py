"""How sure a network is of each pixel."""

import math

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

__all__ = ["confidence_maps"]


def confidence_maps(
    probabilities: ArrayLike, multi_label: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The largest probability of each pixel, and the entropy of all.

    `H = -sum_c p_c log p_c / log(classes)`: 0 where the network is sure, 1
    where all classes are equally probable. Of labels that may overlap the
    means over the labels: of the larger of `p` and `1 - p`, and of the binary
    entropies.

    Args:
        probabilities: array `(..., classes)`, such as that of a
            `keras_seg.inference.Prediction`.
        multi_label: bool, whether each class is by itself. Defaults to False.

    Returns:
        Tuple of two float32 arrays `(...)` in 0...1.

    Example:

    >>> largest, entropy = confidence_maps([[1, 0], [0.5, 0.5], [0.75, 0.25]])
    >>> largest.round(2).tolist(), entropy.round(2).tolist()
    ([1.0, 0.5, 0.75], [0.0, 1.0, 0.81...])
    """
    p = np.asarray(probabilities, "float32")
    if multi_label:
        largest = np.maximum(p, 1 - p).mean(axis=-1)
        return largest, (_parts(p) + _parts(1 - p)).mean(axis=-1) / math.log(2)
    classes = max(p.shape[-1], 2)
    return p.max(axis=-1), _parts(p).sum(axis=-1) / math.log(classes)


def _parts(p: NDArray) -> NDArray:
    return -p * np.log(np.maximum(p, np.finfo("float32").tiny))
