"""The weights of splatting and slicing, normalised."""

import dataclasses

import numpy as np

from keras_seg.ops.crf.lattice import Lattice

__all__ = ["NORMALIZATIONS", "WeightedLattice", "filter_by_numpy"]

NORMALIZATIONS = ("after", "symmetric", "before", None)

# Against division by zero; a point reaches itself, so it never is.
_EPSILON = 1e-20


@dataclasses.dataclass(frozen=True, eq=False)
class WeightedLattice:
    """A lattice and the weights that make its filter a normalised one.

    With `K` the filter and `n = K 1`, the rows' sums,

        None          K
        "before"      K D⁻¹            D = diag(n)
        "after"       D⁻¹ K
        "symmetric"   D^-½ K D^-½

    The factors are multiplied into the weights, so they cost nothing later.

    Attributes:
        lattice: `Lattice`.
        splat_weights: float32 array, as `lattice.order`.
        slice_weights: float32 array, as `lattice.vertices`.
        ratio: float32 array `(points, 1)`, the factor after filtering over
            the one before, or None where it is the same for all points. The
            adjoint filter is the reversed one between it and its inverse.
    """

    lattice: Lattice
    splat_weights: np.ndarray
    slice_weights: np.ndarray
    ratio: np.ndarray | None

    @classmethod
    def normalized(cls, lattice, normalization, weight=1.0):
        """Multiplies the factors of a normalisation into the weights.

        Args:
            lattice: `Lattice`.
            normalization: `"after"`, `"symmetric"`, `"before"` or None.
            weight: float, of the whole filter.

        Raises:
            ValueError: for another normalisation.
        """
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {NORMALIZATIONS}. "
                f"Received: normalization={normalization!r}"
            )
        weights = lattice.weights
        splat = weights.ravel()[lattice.entries]
        raw = cls(lattice, splat, weights, None)
        if normalization is None:
            scaled = weights * np.float32(lattice.alpha * weight)
            return dataclasses.replace(raw, slice_weights=scaled)
        # The lattice's own constant cancels.
        ones = np.ones(len(weights), np.float32)
        factor = 1 / (filter_by_numpy(raw, ones) + np.float32(_EPSILON))
        if normalization == "symmetric":
            factor = np.sqrt(factor)
        before = after = ratio = None
        if normalization != "after":
            before = factor
        if normalization != "before":
            after = factor
        if normalization == "after":
            ratio = factor[:, None]
        if normalization == "before":
            ratio = 1 / factor[:, None]
        if before is not None:
            splat = splat * before[lattice.order]
        scaled = weights * np.float32(weight)
        if after is not None:
            scaled *= after[:, None]
        return cls(lattice, splat, scaled, ratio)


def filter_by_numpy(weighted, x, reverse=False):
    """Splats, blurs and slices with NumPy: short, and slow for many values.

    Args:
        weighted: `WeightedLattice`.
        x: array `(points,)` or `(points, channels)`.
        reverse: bool, whether the axes are blurred in reversed order.

    Returns:
        Array like `x`.
    """
    lattice = weighted.lattice
    trailing = (1,) * (x.ndim - 1)
    weights = weighted.splat_weights.reshape(-1, *trailing)
    values = np.zeros((lattice.size + 1, *x.shape[1:]), x.dtype)
    values[:-1] = np.add.reduceat(
        x[lattice.order] * weights, lattice.starts[:-1]
    )
    for pairs in lattice.neighbours[:: -1 if reverse else 1]:
        values = values + (values[pairs[:, 0]] + values[pairs[:, 1]]) / 2
    weights = weighted.slice_weights
    weights = weights.reshape(*weights.shape, *trailing)
    return (values[lattice.vertices] * weights).sum(axis=1)
