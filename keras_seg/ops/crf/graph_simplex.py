"""The simplex that each point lies in, found by tensor operations."""

import math

import numpy as np
from keras import ops

from keras_seg.ops.crf.simplex import LARGEST_COORDINATE

__all__ = ["graph_simplices"]

_LARGEST_FLOAT = float(np.finfo(np.float32).max)


def graph_simplices(features):
    """Finds the simplex around each point and the place within it.

    What `enclosing_simplices` computes with NumPy, by the same float32
    operations in the same order: no point falls into another simplex.

    Args:
        features: float32 tensor `(points, d)`; d is known, the number of
            points need not be.

    Returns:
        `(q, rank, weights, valid)`: int32 tensors `(d + 1, points)`, the
        float32 barycentric weights `(d + 1, points)` by colour, and a bool
        tensor, whether every feature is a number small enough for float32.
        Where it is not, the rest means nothing.
    """
    elevated = _elevate(features)
    size = elevated.shape[0]
    rounded = ops.round(elevated * _rounded(1 / size))
    # Not a number compares as false.
    within = ops.abs(rounded) <= LARGEST_COORDINATE
    rounded = ops.where(within, rounded, 0.0)
    rank = _rank(elevated - rounded * float(size))
    rank = rank + ops.cast(ops.sum(rounded, axis=0), "int32")
    # The nearest vertex of colour 0, corrected until it is on the plane.
    correction = ops.cast(rank < 0, "int32") - ops.cast(rank >= size, "int32")
    rounded = rounded + ops.cast(correction, "float32")
    inside = elevated - rounded * float(size)
    return (
        ops.cast(rounded, "int32"),
        rank + correction * size,
        _barycentric(inside * _rounded(1 / size)),
        ops.all(within),
    )


def _rounded(number):
    """A number of Python, as float32 has it."""
    return float(np.float32(number))


def _product(x, number):
    """A product that is rounded before anything is added to it.

    A compiler may make one operation of both, which rounds once; it does
    not where a minimum lies between.
    """
    return ops.minimum(x * number, _LARGEST_FLOAT)


def _elevate(features):
    dimensions = features.shape[-1]
    deviation = _rounded(math.sqrt(2 / 3) * (dimensions + 1))
    elevated = []
    total = ops.zeros_like(features[:, 0])
    for j in range(dimensions, 0, -1):
        scale = _rounded(1 / math.sqrt(j * (j + 1)) * deviation)
        scaled = _product(features[:, j - 1], scale)
        elevated.append(total - _product(scaled, float(j)))
        total = total + scaled
    return ops.stack([total, *elevated[::-1]])


def _rank(inside):
    """How many coordinates are larger; of equal ones the first is."""
    ranks = []
    for i in range(inside.shape[0]):
        before = ops.cast(inside[:i] >= inside[i], "int32")
        after = ops.cast(inside[i + 1 :] > inside[i], "int32")
        ranks.append(ops.sum(before, axis=0) + ops.sum(after, axis=0))
    return ops.stack(ranks)


def _barycentric(inside):
    """Differences of the coordinates in falling order, by colour."""
    rows = [inside[i] for i in range(inside.shape[0])]
    # A sorting network, each comparison one for all points.
    for end in range(len(rows) - 1, 0, -1):
        for i in range(end):
            low, high = rows[i], rows[i + 1]
            rows[i] = ops.minimum(low, high)
            rows[i + 1] = ops.maximum(low, high)
    rising = ops.stack(rows)
    first = rising[:1] + (1 - rising[-1:])
    return ops.concatenate([first, rising[1:] - rising[:-1]])
