"""The permutohedral lattice built in the graph, where the features are."""

import functools

import keras
from keras import ops

from keras_seg.ops.crf import numbering
from keras_seg.ops.crf.graph_keys import GraphKeys
from keras_seg.ops.crf.graph_simplex import graph_simplices
from keras_seg.ops.crf.kernel import kernel
from keras_seg.ops.crf.weighting import NORMALIZATIONS

__all__ = ["graph_arrays"]

# Points and the weights they are splatted with, as the kernels name them.
_SPLATS = {
    "order": "splat_weights",
    "rows": "row_weights",
    "further_rows": "further_weights",
}


def graph_arrays(features, normalization=None, weight=1.0):
    """Builds the lattice around points by operations on tensors alone.

    What `Lattice.build` and `WeightedLattice.normalized` make on the host
    is made where the features are, and can be part of a compiled or an
    exported graph. Sizes need be known only when it runs; on JAX, which
    gets room for any lattice, when it is traced. The filter is the same.

    A graph cannot refuse features. All weights, and with them whatever is
    filtered, are NaN

    * if a feature is no number, or too large (see `Lattice.build`);
    * if a vertex does not fit into a key: the product of the numbers of
      values of the d coordinates, of the images and the `d + 1` colours is
      to be less than `2^63`; on JAX the first of them and the others are to
      be less than `2^31` each. Six coordinates of 650 values fit on each
      backend; those of an image whose features span 255 deviations in each
      of six dimensions have 410.

    No gradient flows into the features, of which the lattice is no
    continuous function.

    Args:
        features: float32 tensor `(batch, points, d)`, in deviations of the
            Gaussian; d must be known. Images share no vertex, points are
            numbered through.
        normalization: `"after"`, `"symmetric"`, `"before"` or None.
        weight: float, what the result is multiplied by. Defaults to 1.

    Returns:
        Dict of tensors, from which `tables` of the backend's kernel makes
        what its `lattice_filter` takes.

    Raises:
        ValueError: if features are no such tensor, or for another
            normalisation.

    Example:

    >>> import numpy as np
    >>> features = np.array([[[0.0], [0.1], [9.0]]], "float32")
    >>> arrays = graph_arrays(features)
    >>> ops.convert_to_numpy(arrays["vertices"])[:3].tolist()
    [[0, 2], [0, 2], [1, 3]]
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(
            f"`normalization` must be one of {NORMALIZATIONS}. "
            f"Received: normalization={normalization!r}"
        )
    if not ops.is_tensor(features):
        features = ops.convert_to_tensor(features, "float32")
    shape = tuple(features.shape)
    if len(shape) != 3 or 0 in shape or shape[2] is None:
        raise ValueError(
            "Features must be a tensor (batch, points, d), not empty, with d "
            f"known. Received: shape {shape}"
        )
    if keras.backend.backend() == "jax":
        return _jitted()(features, normalization, weight)
    if keras.backend.backend() == "torch":
        # Keras computes where it is told to, not where its tensors are.
        with keras.device(str(features.device)):
            return _build(features, normalization, weight)
    return _build(features, normalization, weight)


@functools.cache
def _jitted():
    """Without it JAX would compile each of the operations, each time."""
    import jax

    return jax.jit(_build, static_argnums=1)


def _build(features, normalization, weight):
    features = ops.stop_gradient(ops.cast(features, "float32"))
    shape = ops.shape(features)
    flat = ops.reshape(features, (-1, shape[2]))
    q, rank, weights, valid = graph_simplices(flat)
    keys = GraphKeys.build(q, rank, shape[0])
    usable = ops.logical_and(valid, keys.fits)
    weights = ops.where(usable, weights, float("nan"))
    arrays = _numbering().number_vertices(keys, weights)
    return _normalized(arrays, ops.shape(flat)[0], normalization, weight)


def _numbering():
    if keras.backend.backend() == "jax":
        from keras_seg.ops.crf import jax_numbering

        return jax_numbering
    return numbering


def _filter_ones(arrays, points):
    backend = kernel()
    if keras.backend.backend() == "tensorflow":
        return backend.filter_ones(arrays)
    ones = ops.ones((points, 1), "float32")
    return backend.lattice_filter(backend.tables(arrays, ones), ones)


def _normalized(arrays, points, normalization, weight):
    """Multiplies the factors of a normalisation into the weights.

    They are those of `WeightedLattice`, made of filtered ones.
    """
    sliced = arrays["slice_weights"]
    if normalization is None:
        alpha = 1 / (1 + 2.0 ** (1 - sliced.shape[1]))
        return {**arrays, "slice_weights": sliced * (alpha * weight)}
    # A point reaches itself: none of the sums is zero.
    sums = _filter_ones(arrays, points)
    factor = ops.rsqrt(sums) if normalization == "symmetric" else 1 / sums
    result = dict(arrays)
    if normalization != "after":
        before = factor[:, 0]
        for order, weights in _SPLATS.items():
            if order in arrays:
                result[weights] *= ops.take(before, arrays[order])
    after = _room_of(sliced, factor)
    if normalization == "after":
        result["ratio"] = after
    if normalization == "before":
        result["ratio"] = _room_of(sliced, sums)
    else:
        sliced = sliced * after
    result["slice_weights"] = sliced * weight
    return result


def _room_of(rows, factor):
    """JAX has room for more points, which are nothing: a factor of 1."""
    if keras.backend.backend() != "jax":
        return factor
    beyond = rows.shape[0] - factor.shape[0]
    return ops.pad(factor, ((0, beyond), (0, 0)), constant_values=1.0)
