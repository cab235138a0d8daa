"""Gradients, on the backend that is running."""

from keras import ops

from keras_seg.ops import backend

__all__ = ["gradient"]


def gradient(function, x, weights):
    """The gradient of `sum(function(x) * weights)` for `x`, as an array."""
    weights = ops.convert_to_tensor(weights)
    return backend.gradient(lambda x: ops.sum(function(x) * weights), x)
