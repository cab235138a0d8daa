"""Gaussian filtering of points in any number of dimensions."""

from keras import ops

from keras_seg.ops.crf.kernel import kernel
from keras_seg.ops.crf.lattice import Lattice
from keras_seg.ops.crf.weighting import WeightedLattice

__all__ = ["LatticeFilter", "permutohedral_filter"]


class LatticeFilter:
    """The Gaussian filter of a set of points, to be used many times.

    Args:
        lattice: `Lattice` around the points.
        normalization: `"after"`, `"symmetric"`, `"before"` or None.
        weight: float, what the result is multiplied by. Defaults to 1.

    Call arguments:
        x: tensor `(points, channels)`, filtered in float32; gradients flow
            through it.
        reverse: bool, whether to blur the axes in reversed order.
    """

    def __init__(self, lattice, normalization=None, weight=1.0):
        weighted = WeightedLattice.normalized(lattice, normalization, weight)
        self._kernel = kernel()
        self._arrays = self._kernel.arrays(weighted)
        self._tables = None

    def tables(self, like):
        """What the backend computes with, made at the first use."""
        if self._tables is None:
            self._tables = self._kernel.tables(self._arrays, like)
            self._arrays = None
        return self._tables

    def __call__(self, x, reverse=False):
        x = ops.convert_to_tensor(x, "float32")
        tables = self.tables(x)
        return self._kernel.lattice_filter(tables, x, reverse)


def permutohedral_filter(features, x, normalization=None):
    """Filters values at points by a Gaussian of the points' features.

    `y_i = Σ_j exp(-|f_i - f_j|² / 2) x_j`, i = j included, approximated on
    the permutohedral lattice
    ([Adams et al. 2010](https://graphics.stanford.edu/papers/permutohedral/)):
    within a few per cent, in time that grows as the number of points. The
    gradient flows into `x`; none into the features, of which the lattice is
    no continuous function (a neighbour is there or is not).

    Args:
        features: array `(points, d)`, in deviations of the Gaussian, or
            `(batch, points, d)`.
        x: tensor `(points, channels)` or `(batch, points, channels)`.
        normalization: None, `"after"`, `"symmetric"` or `"before"`: none, or
            division by the filtered ones `n`, after filtering, by their root
            before and after, or before.

    Returns:
        Filtered values, float32, of the shape of `x`.

    Raises:
        ValueError: if shapes do not fit, a feature is no number, or the
            normalisation is none of these.

    Example:

    >>> import numpy as np
    >>> points = np.array([[0.0], [0.0], [9.0]])
    >>> x = np.array([[1.0], [3.0], [5.0]], "float32")
    >>> y = permutohedral_filter(points, x, "after")
    >>> [round(float(v), 4) for v in y[:, 0]]
    [2.0, 2.0, 5.0]
    """
    features = ops.convert_to_numpy(features)
    x = ops.convert_to_tensor(x, "float32")
    if features.shape[:-1] != tuple(x.shape[:-1]):
        raise ValueError(
            "There must be values for each point. Received: features of "
            f"shape {features.shape}, x of shape {tuple(x.shape)}"
        )
    lattice = Lattice.build(features)
    y = LatticeFilter(lattice, normalization)(ops.reshape(x, (-1, x.shape[-1])))
    return ops.reshape(y, x.shape)
