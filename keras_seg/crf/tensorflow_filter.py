"""Filtering on a lattice with TensorFlow: products of sparse matrices."""

import numpy as np
import tensorflow as tf

from keras_seg.crf.tensorflow_lattice import graph_arrays

__all__ = ["filter_points", "is_known", "symbolic_tables", "tables"]


def is_known(x):
    """Whether a tensor has values, or is a symbol of a graph."""
    return not tf.is_symbolic_tensor(x)


def tables(lattice_filter, like=None):
    """Sparse matrices of a `LatticeFilter`."""
    del like
    lattice = lattice_filter.lattice
    rows = np.arange(lattice.size).repeat(np.diff(lattice.starts))
    return _matrices(
        {
            "order": lattice.order,
            "splat_rows": rows,
            "splat_weights": lattice_filter.splat_weights,
            "neighbors": lattice.neighbors,
            "vertices": lattice.vertices,
            "slice_weights": lattice_filter.slice_weights,
            "ratio": lattice_filter.ratio,
        }
    )


def symbolic_tables(images, settings, weighted):
    """Sparse matrices for images of a graph, which may be exported."""
    return [
        _matrices(
            graph_arrays(
                _pixel_features(images, potential.deviations(images.shape[-1])),
                settings.normalization,
                potential.weight if weighted else 1.0,
            )
        )
        for potential in settings.potentials
    ]


def _pixel_features(images, deviations):
    """x, y and the channels, `(batch, height · width, d)`, in deviations."""
    batch, height, width, _ = tf.unstack(tf.shape(images))
    place = tf.meshgrid(tf.range(width), tf.range(height))
    place = tf.cast(tf.stack(place, axis=-1), "float32")
    features = tf.tile(place[None], [batch, 1, 1, 1])
    if len(deviations) > 2:
        features = tf.concat([features, images], axis=-1)
    shape = batch, height * width, len(deviations)
    return tf.reshape(features / deviations, shape)


def _matrices(arrays):
    """The matrices of splatting, of a blur along each axis and of slicing.

    What is missing is the empty vertex after the last, which stays zero, so
    every row has as many entries as the others.
    """
    neighbors, vertices = arrays["neighbors"], arrays["vertices"]
    points, colors = tf.unstack(tf.shape(vertices, tf.int64))
    size = tf.shape(neighbors, tf.int64)[1]
    splat = _matrix(
        tf.cast(arrays["splat_rows"], tf.int64),
        arrays["order"],
        arrays["splat_weights"],
        (size, points),
    )
    own = tf.range(tf.cast(size, tf.int32))
    rows = tf.repeat(tf.range(size), 3)
    taps = tf.tile(tf.constant([1, 0.5, 0.5], tf.float32), [size])
    blurs = [
        _matrix(
            rows,
            tf.concat([own[:, None], neighbors[axis]], axis=1),
            taps,
            (size, size),
        )
        for axis in range(neighbors.shape[0])
    ]
    slicing = _matrix(
        tf.repeat(tf.range(points), tf.cast(colors, tf.int32)),
        vertices,
        arrays["slice_weights"],
        (points, size),
    )
    ratio = arrays["ratio"]
    return {
        "matrices": [splat, *blurs, slicing],
        "ratio": None if ratio is None else tf.convert_to_tensor(ratio),
        "arrays": arrays if tf.is_symbolic_tensor(splat) else None,
    }


def _matrix(rows, columns, values, shape):
    columns = tf.cast(tf.reshape(columns, [-1]), tf.int64)
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=tf.stack([rows, columns], axis=1),
        values=tf.reshape(values, [-1]),
        dense_shape=tf.stack(shape),
    )


def filter_points(tables, x, reverse=False):
    """Filters `x`, `(points, channels)`; differentiable in `x`."""
    ratio = tables["ratio"]

    # The adjoint is the same filter, its axes in reversed order.
    @tf.custom_gradient
    def apply(x):
        def gradient(upstream):
            matrices = _matrices_in_graph(tables, upstream)
            if ratio is None:
                return _filter(matrices, upstream, not reverse)
            return _filter(matrices, upstream * ratio, not reverse) / ratio

        return _filter(tables["matrices"], x, reverse), gradient

    y = apply(x)
    y.set_shape(x.shape)
    return y


def _matrices_in_graph(tables, x):
    """The matrices, made anew where they are of another graph than `x`.

    The gradient in a SavedModel is such a graph, and matrices cannot be
    carried into it.
    """
    matrices, arrays = tables["matrices"], tables["arrays"]
    if arrays is None or matrices[0].graph is x.graph:
        return matrices
    return _matrices(arrays)["matrices"]


def _filter(matrices, x, reverse):
    splat, *blurs, slicing = matrices
    for matrix in (splat, *(blurs[::-1] if reverse else blurs), slicing):
        x = tf.raw_ops.SparseMatrixMatMul(a=matrix, b=x)
    return x
