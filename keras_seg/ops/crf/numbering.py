"""Vertices numbered by their keys where sizes may be known at run time."""

import keras
from keras import ops

__all__ = ["number_vertices"]


def number_vertices(keys, weights):
    """Numbers the vertices with TensorFlow or PyTorch, as many as there are.

    Args:
        keys: `GraphKeys`.
        weights: float32 tensor `(d + 1, points)`, by colour.

    Returns:
        What `arrays` of the backend's kernel makes, as tensors, of weights
        that are not normalised.
    """
    (word,), (step,) = keys.words, keys.steps
    colours, points = word.shape[0], ops.shape(word)[1]
    order = ops.argsort(word, axis=-1)
    # The colour is the most significant digit: its rows follow each other.
    offsets = ops.arange(colours, dtype="int32")[:, None] * points
    entries = ops.reshape(order + offsets, (-1,))
    ordered = ops.take(ops.reshape(word, (-1,)), entries)
    first = ordered[1:] != ordered[:-1]
    first = ops.concatenate([ops.ones_like(first[:1]), first])
    number = ops.cumsum(ops.cast(first, "int32")) - 1
    vertices = _scatter(ops.zeros_like(entries), entries, number)
    of_colour_0 = number[points - 1] + 1
    return {
        "order": ops.reshape(order, (-1,)),
        **_rows(number, first),
        "splat_weights": ops.take(ops.reshape(weights, (-1,)), entries),
        **_neighbours(ordered[first], of_colour_0, step),
        "vertices": ops.transpose(ops.reshape(vertices, (colours, -1))),
        "slice_weights": ops.transpose(weights),
    }


def _rows(number, first):
    """Which vertex each entry is of, or where those of a vertex start."""
    if keras.backend.backend() == "tensorflow":
        return {"splat_rows": number}
    starts = ops.nonzero(first)[0]
    end = ops.zeros_like(starts[:1]) + first.shape[0]
    return {"starts": ops.concatenate([starts, end])}


def _neighbours(unique, of_colour_0, step):
    """One step along an axis leads from a colour to the one before."""
    above, zero = step
    colours, size = zero.shape[0], ops.shape(unique)[0]
    here = ops.arange(size + 1, dtype="int32")
    step = ops.where(here[:-1] < of_colour_0, zero, above)
    wanted = ops.reshape(unique + step, (-1,))
    there = ops.cast(ops.searchsorted(unique, wanted), "int32")
    there = ops.minimum(there, size - 1)
    found = ops.take(unique, there) == wanted
    there = ops.reshape(ops.where(found, there, size), (colours, size))
    missing = ops.full_like(there[:, :1], size)
    there = ops.concatenate([there, missing], axis=1)
    # A vertex without such a neighbour, here, writes to the empty one.
    axis = ops.arange(colours, dtype="int32")[:, None]
    places = ops.reshape(there + axis * (size + 1), (-1,))
    numbers = ops.where(there < size, here, size)
    back = _scatter(
        ops.full_like(places, size), places, ops.reshape(numbers, (-1,))
    )
    back = ops.reshape(back, (colours, size + 1))
    if keras.backend.backend() == "tensorflow":
        return {"neighbours": ops.stack([there, back], axis=-1)}
    # Each vertex with its neighbours: one bag of three.
    own = here + ops.zeros_like(there)
    taps = ops.convert_to_tensor([[1, 0.5, 0.5]], "float32")
    return {
        "bags": ops.stack([own, there, back], axis=-1),
        "taps": ops.tile(taps, (size + 1, 1)),
    }


def _scatter(tensor, places, values):
    return ops.scatter_update(tensor, places[:, None], values)
