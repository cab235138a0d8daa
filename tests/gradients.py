"""Gradients, on the backend that is running."""

import keras
from keras import ops

__all__ = ["gradient"]


def gradient(function, x, weights):
    """The gradient of `sum(function(x) * weights)` for `x`, as an array."""
    x = ops.convert_to_tensor(x)
    weights = ops.convert_to_tensor(weights)

    def loss(x):
        return ops.sum(function(x) * weights)

    if keras.backend.backend() == "jax":
        import jax

        result = jax.grad(loss)(x)
    elif keras.backend.backend() == "torch":
        x.requires_grad_()
        loss(x).backward()
        result = x.grad
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(x)
        result = tape.gradient(value, x)
    return ops.convert_to_numpy(result)
