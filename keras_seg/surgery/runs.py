"""Running a model layer by layer on random images, its state unchanged."""

import contextlib
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seg.keras_private import calls_of
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph

__all__ = ["compute", "follow", "images"]

# Odd and even at every stride, so that both paddings of "same" are seen.
SIZES = ((33, 64), (97, 128), (225, 256))


def images(model):
    """Yields random inputs of a model as lists of arrays, of growing sizes.

    Each batch has an image of 0 … 255 and one of -1 … 1: networks expect one
    or the other.
    """
    rng = np.random.default_rng(0)
    axes = spatial_axes(graph.data_format_of(model))
    for sizes in (*SIZES, None):
        arrays = []
        for tensor in model.inputs:
            shape = [2, *(size or 256 for size in tensor.shape[1:])]
            x = rng.uniform(-1, 1, shape)
            if len(shape) == 4:
                for axis, size in zip(axes, sizes or (), strict=False):
                    shape[axis] = size
                x = rng.uniform(-1, 1, shape)
                x[0] = 127.5 * x[0] + 127.5
            arrays.append(x.astype(tensor.dtype))
        yield arrays


def follow(model, begin, values, record):
    """Runs a model layer by layer.

    Args:
        model: functional `keras.Model`.
        begin: list of tensors of its graph whose values are given.
        values: list of these values.
        record: function `(operation, tensor, name, value)`, called with every
            output of a layer, which returns the value to go on with. `tensor`
            is that of the call, `name` that of the layer's first call.

    Returns:
        List of the values of the outputs, None for what does not depend on
        `begin`.
    """
    known = {
        id(tensor): record(None, tensor, tensor, value)
        for tensor, value in zip(begin, values, strict=True)
    }

    def value_of(x):
        return known[id(x)] if isinstance(x, keras.KerasTensor) else x

    for call in calls_of(graph.functional(model)):
        if any(id(x) not in known for x in call.inputs):
            continue
        operation = call.operation
        args, kwargs = keras.tree.map_structure(
            value_of, (call.args, call.kwargs)
        )
        if "training" in kwargs:
            kwargs["training"] = False
        if isinstance(operation, keras.Model):
            inner = graph.functional(operation)
            made = follow(inner, inner.inputs, keras.tree.flatten(args), record)
        else:
            made = keras.tree.flatten(operation(*args, **kwargs))
        names = keras.tree.flatten(operation.output)
        for tensor, name, value in zip(call.outputs, names, made, strict=True):
            known[id(tensor)] = record(operation, tensor, name, value)
    return [known.get(id(tensor)) for tensor in model.outputs]


def compute(models, function, *arrays, shapes_only=False):
    """Calls a function on tensors and returns arrays; no variable changes."""
    given = [[ops.convert_to_tensor(x) for x in each] for each in arrays]
    variables = [v for model in models for v in model.variables]
    backend = keras.backend.backend()
    if backend == "jax":
        made = _compile(function, variables, given, shapes_only)
    else:
        context: Any = contextlib.nullcontext()
        if backend == "torch":
            import torch

            context = torch.no_grad()
        with context, keras.StatelessScope():
            made = function(*given)
    return made if shapes_only else keras.tree.map_structure(_array, made)


def _array(x):
    x = ops.convert_to_numpy(x)
    return x.astype("float64" if x.dtype == "float64" else "float32")


def _compile(function, variables, arrays, shapes_only):
    """Compiles all layers at once for JAX: ten times faster than each alone."""
    import jax

    def stateless(values, arrays):
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(mapping):
            return function(*arrays)

    values = [variable.value for variable in variables]
    if shapes_only:
        return jax.eval_shape(stateless, values, arrays)
    options: dict[str, Any] = {}
    if jax.default_backend() == "cpu":
        options = {"xla_backend_optimization_level": 0}
    lowered = jax.jit(stateless).lower(values, arrays)
    return lowered.compile(options)(values, arrays)
