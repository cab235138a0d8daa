"""The simplex of the permutohedral lattice that each point lies in."""

import math

import numpy as np

__all__ = ["LARGEST_COORDINATE", "enclosing_simplices"]

# Above this float32 has no digits left for the place within the simplex.
LARGEST_COORDINATE = 2**20

# Points that are worked on together: their numbers stay in the cache.
_BLOCK = 8192


def enclosing_simplices(features):
    """Finds the simplex around each point and the place within it.

    A point with `d` features is lifted onto the plane of `d + 1` coordinates
    that sum to zero, scaled so that splat, blur and slice together smooth by
    a Gaussian of deviation 1. There the lattice's vertices have integer
    coordinates, all congruent to one colour `c` modulo `d + 1`, and every
    simplex has one vertex of each colour:

        (d + 1) · (q_i - [rank_i > d - c]) + c          i = 0 ... d

    Rounding and order of operations are those of the reference, in float32,
    so that no point falls into another simplex.
    [Adams et al. 2010](https://graphics.stanford.edu/papers/permutohedral/)

    Args:
        features: float32 array `(d, points)`.

    Returns:
        `(q, rank, weights)`: int32 and int8 arrays `(d + 1, points)`, and
        the float32 barycentric weights `(points, d + 1)`, by colour.

    Raises:
        ValueError: if a feature is no number or too large for float32.
    """
    dimensions, points = features.shape
    q = np.empty((dimensions + 1, points), np.int32)
    rank = np.empty((dimensions + 1, points), np.int8)
    weights = np.empty((points, dimensions + 1), np.float32)
    for start in range(0, points, _BLOCK):
        part = slice(start, start + _BLOCK)
        elevated = _elevate(features[:, part])
        q[:, part], rank[:, part], inside = _round(elevated)
        weights[part] = _barycentric(inside).T
    return q, rank, weights


def _elevate(features):
    dimensions, points = features.shape
    deviation = np.float32(math.sqrt(2 / 3) * (dimensions + 1))
    elevated = np.empty((dimensions + 1, points), np.float32)
    total = np.zeros(points, np.float32)
    for j in range(dimensions, 0, -1):
        scale = np.float32(1 / math.sqrt(j * (j + 1)) * float(deviation))
        scaled = features[j - 1] * scale
        elevated[j] = total - np.float32(j) * scaled
        total += scaled
    elevated[0] = total
    return elevated


def _round(elevated):
    """The nearest vertex of colour 0, corrected until it is on the plane."""
    size = len(elevated)
    rounded = np.rint(elevated * np.float32(1 / np.float32(size)))
    # Not a number compares as false.
    if not (np.abs(rounded) <= LARGEST_COORDINATE).all():
        raise ValueError(
            "Features of points must be finite numbers, at most about "
            f"{LARGEST_COORDINATE} deviations from 0. "
            f"Received: values from {elevated.min()} to {elevated.max()} "
            "on the lattice"
        )
    excess = rounded.sum(axis=0).astype(np.int8)
    inside = elevated - rounded * np.float32(size)
    rank = np.zeros(elevated.shape, np.int8)
    for i in range(size):
        for j in range(i + 1, size):
            smaller = inside[i] < inside[j]
            rank[i] += smaller
            rank[j] += ~smaller
    rank += excess
    below, above = rank < 0, rank >= size
    correction = below.astype(np.int8) - above
    rank += correction * np.int8(size)
    rounded += correction
    inside = elevated - rounded * np.float32(size)
    return rounded, rank, inside * np.float32(1 / np.float32(size))


def _barycentric(inside):
    """Differences of the coordinates in falling order, by colour."""
    rows = list(inside)
    # A sorting network, each comparison one for all points.
    for end in range(len(rows) - 1, 0, -1):
        for i in range(end):
            low, high = rows[i], rows[i + 1]
            rows[i] = np.minimum(low, high)
            rows[i + 1] = np.maximum(low, high)
    rising = np.stack(rows)
    weights = np.empty_like(rising)
    weights[0] = rising[0] + (1 - rising[-1])
    weights[1:] = rising[1:] - rising[:-1]
    return weights
