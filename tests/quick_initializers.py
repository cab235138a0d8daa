"""Initial weights drawn by NumPy where JAX would compile every draw.

JAX compiles a random draw for every shape there is, and a network has dozens:
MobileNetV2 takes 16 seconds to build so, and 2 with NumPy. The distributions
are the same; drawing under `jit`, as dropout does, stays with JAX.
"""

import functools

import numpy as np

__all__ = ["draw_by_numpy"]


def draw_by_numpy():
    """Replaces the draws of Keras's initializers on JAX, in this process."""
    from keras.src.backend.jax import random

    for name, draw in (
        ("normal", _normal),
        ("truncated_normal", _truncated_normal),
        ("uniform", _uniform),
    ):
        setattr(random, name, _wrap(getattr(random, name), draw))


def _wrap(original, draw):
    @functools.wraps(original)
    def random(shape, *args, dtype="float32", seed=None, **options):
        if args or not isinstance(seed, int):
            return original(shape, *args, dtype=dtype, seed=seed, **options)
        from jax import numpy

        rng = np.random.default_rng(seed)
        return numpy.asarray(draw(rng, shape, **options), dtype)

    return random


def _normal(rng, shape, mean=0.0, stddev=1.0):
    return rng.normal(mean, stddev, shape)


def _truncated_normal(rng, shape, mean=0.0, stddev=1.0):
    x = rng.standard_normal(shape)
    while (outside := np.abs(x) > 2).any():
        x[outside] = rng.standard_normal(outside.sum())
    return mean + stddev * x


def _uniform(rng, shape, minval=0.0, maxval=1.0):
    return rng.uniform(minval, maxval, shape)
