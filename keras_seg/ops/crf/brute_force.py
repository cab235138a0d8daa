"""The Gaussian filter itself, every point with every other."""

import numpy as np

from keras_seg.ops.crf.weighting import NORMALIZATIONS

__all__ = ["exact"]

_MOST_POINTS = 16384

# Kernel entries that are in memory at once.
_ENTRIES = 2**22


def exact(features, x, normalization=None, self_term=True):
    """Filters values at points by a Gaussian, exactly, in `O(N²)`.

    `y_i = Σ_j exp(-|f_i - f_j|² / 2) x_j`, in float64: what
    `permutohedral_filter` approximates, for tests and for a few points.

    Args:
        features: array `(points, d)`, in deviations of the Gaussian; at most
            16384 points.
        x: array `(points, channels)`.
        normalization: None, `"after"`, `"symmetric"` or `"before"`.
        self_term: bool, whether a point counts for itself. It does on the
            lattice. Defaults to True.

    Returns:
        float64 array of the shape of `x`.

    Raises:
        ValueError: if there are more points, shapes do not fit, or the
            normalisation is none of these.

    Example:

    >>> import numpy as np
    >>> y = exact([[0.0], [1.0]], [[1.0], [0.0]])
    >>> y.round(4).tolist()
    [[1.0], [0.6065]]
    """
    features = np.asarray(features, np.float64)
    x = np.asarray(x, np.float64)
    if len(features) > _MOST_POINTS:
        raise ValueError(
            f"The exact filter takes at most {_MOST_POINTS} points; "
            "`permutohedral_filter` takes more. "
            f"Received: {len(features)} points"
        )
    if features.ndim != 2 or x.ndim != 2 or len(features) != len(x):
        raise ValueError(
            "Features must be (points, d) and values (points, channels). "
            f"Received: features of shape {features.shape}, x of shape "
            f"{x.shape}"
        )
    if normalization not in NORMALIZATIONS:
        raise ValueError(
            f"`normalization` must be one of {NORMALIZATIONS}. "
            f"Received: normalization={normalization!r}"
        )
    if normalization is None:
        return _filter(features, x, self_term)
    sums = _filter(features, np.ones((len(x), 1)), self_term)
    factor = 1 / (sums + 1e-20)
    if normalization == "symmetric":
        factor = np.sqrt(factor)
    if normalization != "after":
        x = x * factor
    y = _filter(features, x, self_term)
    return y if normalization == "before" else y * factor


def _filter(features, x, self_term):
    squares = (features**2).sum(axis=1)
    rows = max(1, _ENTRIES // len(x))
    result = np.empty((len(x), x.shape[1]))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        distance = features[part] @ features.T
        distance *= -2
        distance += squares[part, None] + squares
        # Rounding leaves less than nothing between equal points.
        np.maximum(distance, 0, out=distance)
        kernel = np.exp(-0.5 * distance)
        if not self_term:
            own = np.arange(len(kernel))
            kernel[own, own + start] = 0
        result[part] = kernel @ x
    return result
