"""The lattice as operations of a graph: a SavedModel runs without Python.

In a graph of TensorFlow NumPy cannot build it, and `model.predict`, `fit` and
`export` run in one.
"""

import tensorflow as tf
from keras import ops

from keras_seg.crf.simplex import enclosing_simplices

__all__ = ["graph_arrays"]


def graph_arrays(features, normalization=None, weight=1.0):
    """Builds the lattice around points by operations of TensorFlow.

    It is the lattice of `Lattice.build`, with other numbers for its vertices,
    and the weights of `LatticeFilter`. Sizes may be unknown until it runs.
    No gradient flows into the features.

    A graph cannot raise errors about its values. All weights, and so all
    filtered values, are NaN

    * if a feature is not finite or too large (see `Lattice.build`);
    * if the vertices do not fit into an int64: the product of the numbers of
      values of the d coordinates, of the images and the `d + 1` colors must be
      less than `2^62`. Six coordinates of 600 values fit; those of an image
      whose features span 255 deviations in each of six dimensions have 410.

    Args:
        features: float32 tensor `(batch, points, d)`, in standard deviations
            of the Gaussian; d must be known.
        normalization, weight: of `LatticeFilter`.

    Returns:
        Dict of tensors: the attributes `order`, `neighbors` and `vertices` of
        `Lattice`; `splat_rows`, the vertices to which `order` belongs; and
        `splat_weights`, `slice_weights` and `ratio` of `LatticeFilter`.
    """
    features = tf.stop_gradient(tf.cast(features, tf.float32))
    batch = tf.shape(features)[0]
    rows = tf.unstack(tf.reshape(features, (-1, features.shape[2])), axis=1)
    q, rank, weights, valid = enclosing_simplices(rows, ops)
    keys, above, zero, fit = _keys(tf.cast(q, tf.int64), rank, batch)
    weights = tf.where(valid & fit, weights, float("nan"))
    arrays = _number(keys, weights, above, zero)
    return _normalized(arrays, normalization, weight)


def _keys(q, rank, batch):
    """The vertices as int64, one for each color and point.

    The digits of a key are the coordinates `q_i`, the image's number and, most
    significant, the color. Each has as many values as the points need, and
    two more for steps beyond.

    Returns:
        `(keys, above, zero, fit)`: the keys `(d + 1, points)`; what leads from
        a vertex to the one before it along each axis, for colors above 0 and
        for color 0, `(d + 1, 1)`; and whether the digits fit into an int64.
    """
    colors, points = q.shape[0], tf.shape(q)[1]
    # The coordinates sum to what the color says: one is superfluous.
    lowest = tf.reduce_min(q[:-1], axis=1) - 2
    counts = tf.reduce_max(q[:-1], axis=1) - lowest + 2
    batch = tf.cast(batch, tf.int64)
    counts = tf.concat([counts, [batch, colors]], axis=0)
    fit = tf.reduce_prod(tf.cast(counts, tf.float64)) < 2.0**62
    strides = tf.unstack(tf.math.cumprod(counts, exclusive=True), colors + 1)
    *along, of_image, of_color = strides
    image = tf.range(points) // (points // tf.cast(batch, tf.int32))
    word = tf.cast(image, tf.int64) * of_image
    for i, stride in enumerate(along):
        word += (q[i] - lowest[i]) * stride
    color = tf.range(colors)[:, None]
    keys = word + tf.cast(color, tf.int64) * of_color
    for i, stride in enumerate(along):
        # Coordinates of high rank are one less, the more the higher a color.
        keys -= tf.where(rank[i] > colors - 1 - color, stride, 0)
    axes = tf.stack([*along, 0])[:, None]
    return (
        keys,
        axes - of_color,
        axes - tf.reduce_sum(axes) + of_color * (colors - 1),
        fit,
    )


def _number(keys, weights, above, zero):
    """Numbers the vertices in the order of their keys."""
    colors, points = keys.shape[0], tf.shape(keys)[1]
    order = tf.argsort(keys, axis=-1)
    # The color is the most significant digit: its rows follow each other.
    entries = tf.reshape(order + tf.range(colors)[:, None] * points, [-1])
    ordered = tf.gather(tf.reshape(keys, [-1]), entries)
    first = tf.concat([[True], ordered[1:] != ordered[:-1]], axis=0)
    number = tf.cumsum(tf.cast(first, tf.int32)) - 1
    vertices = tf.scatter_nd(entries[:, None], number, tf.shape(entries))
    of_color_0 = number[points - 1] + 1
    return {
        "order": tf.reshape(order, [-1]),
        "splat_rows": number,
        "splat_weights": tf.gather(tf.reshape(weights, [-1]), entries),
        "neighbors": _neighbors(ordered[first], of_color_0, above, zero),
        "vertices": tf.transpose(tf.reshape(vertices, (colors, -1))),
        "slice_weights": tf.transpose(weights),
    }


def _neighbors(unique, of_color_0, above, zero):
    """One step along an axis leads from a color to the one before."""
    colors, size = zero.shape[0], tf.size(unique)
    here = tf.range(size + 1)
    step = tf.where(here[:-1] < of_color_0, zero, above)
    wanted = tf.reshape(unique + step, [-1])
    there = tf.minimum(tf.searchsorted(unique, wanted), size - 1)
    found = tf.gather(unique, there) == wanted
    there = tf.reshape(tf.where(found, there, size), (colors, -1))
    there = tf.pad(there, ((0, 0), (0, 1)), constant_values=size)
    # A vertex without such a neighbor writes to the empty one.
    axis = tf.range(colors)[:, None]
    places = tf.reshape(there + axis * (size + 1), [-1, 1])
    numbers = tf.where(there < size, here, size)
    back = tf.fill([colors * (size + 1)], size)
    back = tf.tensor_scatter_nd_update(back, places, tf.reshape(numbers, [-1]))
    return tf.stack([there, tf.reshape(back, (colors, -1))], axis=-1)


def _normalized(arrays, normalization, weight):
    """Multiplies the factors of `LatticeFilter` into the weights."""
    sliced = arrays["slice_weights"]
    if normalization is None:
        alpha = 1 / (1 + 2.0 ** (1 - sliced.shape[1]))
        sliced *= alpha * weight
        return {**arrays, "slice_weights": sliced, "ratio": None}
    # A point reaches itself: none of the sums is zero.
    sums = _filter_ones(arrays)
    factor = tf.math.rsqrt(sums) if normalization == "symmetric" else 1 / sums
    splat, ratio = arrays["splat_weights"], None
    if normalization == "after":
        ratio = factor
    else:
        splat *= tf.gather(factor[:, 0], arrays["order"])
    if normalization == "before":
        ratio = sums
    else:
        sliced *= factor
    return {
        **arrays,
        "splat_weights": splat,
        "slice_weights": sliced * weight,
        "ratio": ratio,
    }


def _filter_ones(arrays):
    """Filters ones; making matrices for these alone would take longer."""
    vertices, weights = arrays["vertices"], arrays["slice_weights"]
    size = tf.shape(arrays["neighbors"])[1]
    values = tf.math.unsorted_segment_sum(weights, vertices, size)
    for pairs in tf.unstack(arrays["neighbors"]):
        values += tf.reduce_sum(tf.gather(values, pairs), axis=-1) * 0.5
    values = tf.gather(values, vertices) * weights
    return tf.reduce_sum(values, axis=-1, keepdims=True)
