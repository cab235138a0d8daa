"""A program of XLA for each size of images, with XLA's older convolution.

On a CPU, XLA computes convolutions by YNNPACK in JAX 0.10.2, and by Eigen if
it is asked to. By Eigen FCN-8s on VGG16 takes 0.79 of the time, DeepLab v3 on
ResNet-50 0.97, on MobileNetV3 1.0 (two threads of an AMD EPYC, at 500×500 and
513×513), but a step of training of MobileNetV3's 1.9 times as long: it is for
prediction alone. It can go when YNNPACK is as fast.
"""

import functools
import itertools
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import jax
import keras

__all__ = ["Programs", "predict_function"]

# Sizes of images whose programs are kept; each takes 10 to 20 MB.
MOST_SIZES = 32

EIGEN = {"xla_cpu_experimental_ynn_fusion_type": ""}


def predict_function(model: keras.Model) -> Any:
    """The one that a model has, or `Programs` in its place."""
    known = model.predict_function
    if model.run_eagerly or not model.jit_compile:
        return known
    return known if isinstance(known, Programs) else Programs(model)


class Programs:
    """A `predict_function` of a model that keeps few programs.

    Keras's keeps those of all sizes that it has seen. What Keras compiles in
    a way of its own, it still does, with a function for each size.

    Args:
        model: `keras.Model` on the JAX backend.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._program = functools.lru_cache(MOST_SIZES)(self._new)

    def __call__(self, state: Any, batches: Iterator) -> Any:
        data = next(batches)
        sizes = ((x.shape, str(x.dtype)) for x in jax.tree.leaves(data))
        program = self._program(*sizes)
        return program(state, itertools.chain([data], batches))

    def _new(self, *sizes: tuple[tuple[int, ...], str]) -> Callable:
        # JAX drops what it compiled with the function it compiled.
        model = self._model
        spread = keras.distribution.distribution() is not None
        several = model.steps_per_execution > 1
        if spread or several or keras.config.is_nnx_enabled():
            model.make_predict_function(force=True)
            own, model.predict_function = model.predict_function, self
            return own

        def step(state: Any, data: Any) -> Any:
            outputs, others = model.predict_step(state, data)
            return outputs, (state[0], others)

        jitted = jax.jit(step, donate_argnums=0, compiler_options=_options())
        return lambda state, batches: jitted(state, next(batches))


@functools.cache
def _options() -> dict[str, str]:
    """What XLA is asked for, if this version of it knows it."""
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=EIGEN)()
    except jax.errors.JaxRuntimeError:
        return {}
    return EIGEN
