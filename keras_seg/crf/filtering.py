"""Gaussian filtering of points in any number of dimensions."""

import functools
import importlib
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seg.arguments import check_one_of
from keras_seg.crf.lattice import Lattice

__all__ = [
    "NORMALIZATIONS",
    "LatticeFilter",
    "backend_filter",
    "filter_by_numpy",
    "permutohedral_filter",
    "pixel_filters",
    "pixel_tables",
]

NORMALIZATIONS = ("after", "symmetric", "before", None)

# A point reaches itself, so sums are never zero; the reference adds this.
_EPSILON = 1e-20


def backend_filter():
    """The module that filters on a lattice with the running backend.

    Each has

    * `tables(lattice_filter, like)`: what it computes with, made of a
      `LatticeFilter` where the tensor `like` is;
    * `filter_points(tables, x, reverse=False)`: filters `x`, `(points,
      channels)`, differentiable in `x`;
    * `is_known(x)`: whether a tensor has values, or is a symbol of a graph;
    * `symbolic_tables(images, settings, weighted)`, where there are symbols:
      what `pixel_tables` returns for them.
    """
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax", "torch"):
        raise NotImplementedError(
            f"There is no permutohedral filter for the backend {backend!r}, "
            "only for 'tensorflow', 'jax' and 'torch'."
        )
    return importlib.import_module(f"keras_seg.crf.{backend}_filter")


class LatticeFilter:
    """The Gaussian filter of a set of points, to be used many times.

    With `K` the filter and `n = K 1` the sums of its rows, it computes

        None          K
        "before"      K D⁻¹            D = diag(n)
        "after"       D⁻¹ K
        "symmetric"   D^-½ K D^-½

    The factors are part of the weights of splatting and slicing, so they cost
    nothing later.

    Args:
        lattice: `Lattice` around the points.
        normalization: `"after"`, `"symmetric"`, `"before"` or None.
        weight: float, a factor of the result. Defaults to 1.

    Call arguments:
        x: tensor `(points, channels)`, filtered in float32; gradients flow
            through it.
        reverse: bool, whether to blur the axes in reversed order.

    Attributes:
        lattice: `Lattice`.
        splat_weights: float32 array, in the order of `lattice.order`.
        slice_weights: float32 array of the shape of `lattice.vertices`.
        ratio: float32 array `(points, 1)`, the factor after filtering over
            the one before, or None where it is 1. The adjoint multiplies by
            it, filters in reversed order and divides by it.
    """

    def __init__(
        self,
        lattice: Lattice,
        normalization: str | None = None,
        weight: float = 1.0,
    ):
        check_one_of(NORMALIZATIONS, normalization=normalization)
        weights = lattice.weights
        self.lattice = lattice
        self.splat_weights = weights.ravel()[lattice.entries]
        self.slice_weights = weights
        self.ratio = None
        self._tables = None
        if normalization is None:
            self.slice_weights = weights * np.float32(lattice.alpha * weight)
            return
        # The lattice's own constant cancels.
        sums = filter_by_numpy(self, np.ones(len(weights), np.float32))
        factor = 1 / (sums + np.float32(_EPSILON))
        if normalization == "symmetric":
            factor = np.sqrt(factor)
        self.slice_weights = weights * np.float32(weight)
        if normalization != "after":
            self.splat_weights *= factor[lattice.order]
        if normalization != "before":
            self.slice_weights *= factor[:, None]
        if normalization == "after":
            self.ratio = factor[:, None]
        if normalization == "before":
            self.ratio = 1 / factor[:, None]

    def tables(self, like: Any) -> Any:
        """What the backend computes with, made at the first use."""
        if self._tables is None:
            self._tables = backend_filter().tables(self, like)
        return self._tables

    def __call__(self, x, reverse=False):
        x = ops.convert_to_tensor(x, "float32")
        return backend_filter().filter_points(self.tables(x), x, reverse)


def filter_by_numpy(lattice_filter, x, reverse=False):
    """Applies a `LatticeFilter` with NumPy: short, and slow for many channels.

    Args:
        lattice_filter: `LatticeFilter`.
        x: array `(points,)` or `(points, channels)`.
        reverse: bool, whether to blur the axes in reversed order.

    Returns:
        Array of the shape of `x`.
    """
    lattice = lattice_filter.lattice
    trailing = (1,) * (x.ndim - 1)
    weights = lattice_filter.splat_weights.reshape(-1, *trailing)
    values = np.zeros((lattice.size + 1, *x.shape[1:]), x.dtype)
    values[:-1] = np.add.reduceat(
        x[lattice.order] * weights, lattice.starts[:-1]
    )
    for pairs in lattice.neighbors[:: -1 if reverse else 1]:
        values = values + (values[pairs[:, 0]] + values[pairs[:, 1]]) / 2
    weights = lattice_filter.slice_weights
    weights = weights.reshape(*weights.shape, *trailing)
    return (values[lattice.vertices] * weights).sum(axis=1)


def permutohedral_filter(
    features: Any, x: Any, normalization: str | None = None
) -> Any:
    """Filters values at points by a Gaussian of the points' features.

    `y_i = Σ_j exp(-|f_i - f_j|² / 2) x_j`, including i = j, approximated on
    the permutohedral lattice
    ([Adams et al. 2010](https://graphics.stanford.edu/papers/permutohedral/))
    to within a few percent, in time proportional to the number of points.
    Gradients flow into `x`, but not into the features: a neighbor is there or
    is not, so the lattice is not a continuous function of them.

    Args:
        features: array `(points, d)` or `(batch, points, d)`, in standard
            deviations of the Gaussian.
        x: tensor `(points, channels)` or `(batch, points, channels)`.
        normalization: None; or division by the filtered ones: `"after"`
            filtering, `"before"` it, or by their square root before and
            after, `"symmetric"`.

    Returns:
        Filtered values, a float32 tensor of the shape of `x`.

    Raises:
        ValueError: If shapes do not fit, a feature is not finite, or the
            normalization is unknown.

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


def pixel_tables(images, settings, weighted=True):
    """Builds the filters of a CRF's kernels around the pixels of images.

    NumPy builds the lattices of images that have values, wherever these are.

    Args:
        images: tensor `(batch, height, width, channels)`.
        settings: `Settings`.
        weighted: bool, whether results are multiplied by the kernels' weights.

    Returns:
        List of the running backend's tables, of the Gaussian and of the
        bilateral kernel, where they are set.
    """
    images = ops.cast(ops.stop_gradient(images), "float32")
    backend = backend_filter()
    if not backend.is_known(images):
        return backend.symbolic_tables(images, settings, weighted)
    array = ops.convert_to_numpy(images)
    place = getattr(images, "device", None)
    return [
        each.tables(images)
        for each in pixel_filters(array, settings, weighted, place)
    ]


def pixel_filters(images, settings, weighted=True, place=None):
    """Builds a `LatticeFilter` for each kernel of a CRF.

    That of positions alone is kept, to serve further images of that size.

    Args:
        images: float32 array `(batch, height, width, channels)`.
        settings, weighted: of `pixel_tables`.
        place: the device of the tables, for those that are kept.
    """
    result = []
    for potential in settings.potentials:
        deviations = potential.deviations(images.shape[-1])
        options = settings.normalization, potential.weight if weighted else 1.0
        if len(deviations) == 2:
            deviations = tuple(map(float, deviations))
            size = images.shape[:3]
            result.append(_position_filter(size, deviations, place, *options))
        else:
            result.append(_pixel_filter(images, deviations, *options))
    return result


# Of a large image it has a gigabyte, and saves a tenth of the time.
@functools.lru_cache(maxsize=1)
def _position_filter(size, deviations, place, *options):
    del place
    return _pixel_filter(np.empty((*size, 0)), deviations, *options)


def _pixel_filter(images, deviations, normalization, weight):
    """The filter of x, y and the channels, in standard deviations."""
    batch, height, width, _ = images.shape
    features = np.empty((batch, height, width, len(deviations)), np.float32)
    features[..., 0] = np.arange(width)
    features[..., 1] = np.arange(height)[:, None]
    features[..., 2:] = images
    features /= np.asarray(deviations, np.float32)
    features = features.reshape(batch, -1, len(deviations))
    return LatticeFilter(Lattice.build(features), normalization, weight)
