"""The simplex of the permutohedral lattice around each point."""

import math

import numpy as np
from keras import ops

__all__ = ["LARGEST_COORDINATE", "enclosing_simplices"]

# Above this, float32 has no digits left for the place within the simplex.
LARGEST_COORDINATE = 2**20


def enclosing_simplices(features, xp=np):
    """Finds the simplex around each point and the point's place within it.

    A point with `d` features is lifted onto the plane of `d + 1` coordinates
    that sum to zero, scaled so that splat, blur and slice together smooth by
    a Gaussian with a standard deviation of 1. The lattice's vertices have
    integer coordinates there, all congruent to one color `c` modulo `d + 1`,
    and every simplex has one vertex of each color:

        (d + 1) · (q_i - [rank_i > d - c]) + c          i = 0 … d

    Rounding and the order of operations follow pydensecrf, in float32. Pixels
    often lie exactly between two simplices, where the last bit decides.
    [Adams et al. 2010](https://graphics.stanford.edu/papers/permutohedral/)

    Args:
        features: float32 array `(d, points)`, or a list of its rows.
        xp: `numpy`, or `keras.ops` for tensors of a graph, where the number
            of points may be unknown.

    Returns:
        `(q, rank, weights, valid)`: float32 and integer arrays
        `(d + 1, points)`; the barycentric weights, a float32 array
        `(d + 1, points)` by color; and for `keras.ops` a bool tensor, False
        if a feature is not finite or too large. The rest means nothing then.

    Raises:
        ValueError: For `numpy`, if a feature is not finite or too large.
    """
    elevated = _elevate(features, xp)
    size = elevated.shape[0]
    nearest = xp.round(elevated * _float32(1 / size))
    # NaN compares as False.
    within = xp.abs(nearest) <= LARGEST_COORDINATE
    if xp is not np:
        nearest = xp.where(within, nearest, 0.0)
    elif not within.all():
        raise ValueError(
            "Features of points must be finite numbers, at most about "
            f"{LARGEST_COORDINATE} deviations from 0. "
            f"Received: values from {elevated.min()} to {elevated.max()} "
            "on the lattice"
        )
    rank = _rank(elevated - nearest * float(size), xp)
    rank = rank + _integers(xp.sum(nearest, axis=0))
    # Move to the vertex of color 0 that lies on the plane.
    below, above = _integers(rank < 0), _integers(rank >= size)
    rank = rank + (below - above) * size
    q = nearest + _floats(below - above)
    inside = (elevated - q * float(size)) * _float32(1 / size)
    return q, rank, _barycentric(inside, xp), xp.all(within)


def _float32(number):
    """A Python float that float32 holds exactly."""
    return float(np.float32(number))


def _integers(x):
    # NumPy is fastest with the smallest.
    return x.astype("int8") if _is_array(x) else ops.cast(x, "int32")


def _floats(x):
    return x.astype("float32") if _is_array(x) else ops.cast(x, "float32")


def _is_array(x):
    return isinstance(x, np.ndarray)


def _elevate(features, xp):
    dimensions = len(features)
    deviation = _float32(math.sqrt(2 / 3) * (dimensions + 1))
    total = xp.zeros_like(features[0])
    rows = []
    for j in range(dimensions, 0, -1):
        scale = _float32(1 / math.sqrt(j * (j + 1)) * deviation)
        scaled = features[j - 1] * scale
        rows.append(total - scaled * float(j))
        total = total + scaled
    return xp.stack([total, *rows[::-1]])


def _rank(inside, xp):
    """How many coordinates are larger; of equal ones, the first counts so."""
    size = inside.shape[0]
    rank = [_integers(xp.zeros_like(inside[0])) + i for i in range(size)]
    for i in range(size):
        for j in range(i + 1, size):
            smaller = _integers(inside[i] < inside[j])
            rank[i] += smaller
            rank[j] -= smaller
    return xp.stack(rank)


def _barycentric(inside, xp):
    """Differences of the sorted coordinates, by color."""
    rows = [inside[i] for i in range(inside.shape[0])]
    # A bubble sort whose comparisons are made for all points at once.
    for end in range(len(rows) - 1, 0, -1):
        for i in range(end):
            low, high = rows[i], rows[i + 1]
            rows[i] = xp.minimum(low, high)
            rows[i + 1] = xp.maximum(low, high)
    rising = xp.stack(rows)
    first = rising[:1] + (1 - rising[-1:])
    return xp.concatenate([first, rising[1:] - rising[:-1]])
