"""Filtering on a lattice with TensorFlow: products of sparse matrices."""

import numpy as np
import tensorflow as tf

from keras_seg.ops.crf.eagerly import compiled
from keras_seg.ops.crf.eagerly import repeat
from keras_seg.ops.crf.keeping import kept

__all__ = [
    "arrays",
    "compiled",
    "filter_ones",
    "host_tables",
    "is_known",
    "is_on_host",
    "lattice_filter",
    "repeat",
    "tables",
]


def arrays(weighted):
    """What the filter needs, as arrays."""
    lattice = weighted.lattice
    result = {
        "order": lattice.order,
        "splat_rows": np.arange(lattice.size).repeat(np.diff(lattice.starts)),
        "splat_weights": weighted.splat_weights,
        "neighbours": lattice.neighbours,
        "vertices": lattice.vertices,
        "slice_weights": weighted.slice_weights,
    }
    if weighted.ratio is not None:
        result["ratio"] = weighted.ratio
    return result


def tables(arrays, like=None):
    """The matrices of splatting, of a blur along each axis and of slicing.

    What is missing is the empty vertex after the last, which stays zero: so
    every row has as many entries as the others.
    """
    del like
    neighbours, vertices = arrays["neighbours"], arrays["vertices"]
    points, colours = tf.unstack(tf.shape(vertices, tf.int64))
    size = tf.shape(neighbours, tf.int64)[1]
    result = {
        "splat": _matrix(
            tf.cast(arrays["splat_rows"], tf.int64),
            arrays["order"],
            arrays["splat_weights"],
            (size, points),
        ),
        "slice": _matrix(
            tf.repeat(tf.range(points), tf.cast(colours, tf.int32)),
            vertices,
            arrays["slice_weights"],
            (points, size),
        ),
    }
    own = tf.range(tf.cast(size, tf.int32))
    rows = tf.repeat(tf.range(size), 3)
    taps = tf.tile(tf.constant([1, 0.5, 0.5], tf.float32), [size])
    axes = neighbours.shape[0]
    result["blurs"] = [
        _matrix(
            rows,
            tf.concat([own[:, None], neighbours[axis]], axis=1),
            taps,
            (size, size),
        )
        for axis in range(axes)
    ]
    if "ratio" in arrays:
        result["ratio"] = tf.convert_to_tensor(arrays["ratio"])
    if tf.is_symbolic_tensor(result["splat"]):
        result["arrays"] = arrays
    return result


def _matrix(rows, columns, values, shape):
    columns = tf.cast(tf.reshape(columns, [-1]), tf.int64)
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=tf.stack([rows, columns], axis=1),
        values=tf.reshape(values, [-1]),
        dense_shape=tf.stack(shape),
    )


def is_known(x):
    """Whether a tensor has values yet, or is a symbol."""
    return not tf.is_symbolic_tensor(x)


def is_on_host(images):
    """Whether NumPy may build the lattices: not in a graph, nor on a GPU."""
    return is_known(images) and "CPU" in images.device


def host_tables(build, images, colours, has_ratio):
    """Tables for the lattices that `build` makes of images, as an array."""
    del colours, has_ratio
    return [
        kept(weighted, lambda x: tables(arrays(x)))
        for weighted in build(images.numpy())
    ]


def filter_ones(arrays):
    """Filters `(points, 1)` ones: matrices for these alone cost more."""
    vertices, weights = arrays["vertices"], arrays["slice_weights"]
    size = tf.shape(arrays["neighbours"])[1]
    values = tf.math.unsorted_segment_sum(weights, vertices, size)
    for pairs in tf.unstack(arrays["neighbours"]):
        values += tf.reduce_sum(tf.gather(values, pairs), axis=-1) * 0.5
    values = tf.gather(values, vertices) * weights
    return tf.reduce_sum(values, axis=-1, keepdims=True)


def lattice_filter(tables, x, reverse=False):
    """Filters `x`, `(points, channels)`; differentiable in `x`."""
    ratio = tables.get("ratio")

    # The adjoint is the same filter, its axes in reversed order.
    @tf.custom_gradient
    def apply(x):
        def gradient(upstream):
            own = _tables_in_graph(tables, upstream)
            if ratio is None:
                return _filter(own, upstream, not reverse)
            return _filter(own, upstream * ratio, not reverse) / ratio

        return _filter(tables, x, reverse), gradient

    y = apply(x)
    y.set_shape(x.shape)
    return y


def _tables_in_graph(own, x):
    """The tables, made anew where they are of another graph than `x`.

    A gradient that is saved is such a graph, and there matrices cannot be
    carried into it.
    """
    if "arrays" not in own or own["splat"].graph is x.graph:
        return own
    return tables(own["arrays"], x)


def _filter(tables, x, reverse):
    blurs = tables["blurs"]
    for matrix in (
        tables["splat"],
        *(reversed(blurs) if reverse else blurs),
        tables["slice"],
    ):
        x = tf.raw_ops.SparseMatrixMatMul(a=matrix, b=x)
    return x
