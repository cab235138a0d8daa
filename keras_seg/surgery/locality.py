"""What a layer or an operation without a rule makes of a map: found by trial.

A layer is pointwise if it does the same at every position, and looks at no
other. Both can be seen: when the positions of its input change places, those
of its output must do so too, and when some change their values, the others
must keep theirs. Random maps of two sizes and two sets of weights show it.
"""

import contextlib
import warnings
import weakref
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seg.keras_private import call_that_made
from keras_seg.keras_private import number_of_calls

__all__ = ["POINTWISE", "POOLED", "WHOLE", "locality", "why_not"]

POINTWISE = "pointwise"
# Equivariant too, but each position depends on all others: a norm over the
# map, or attention without a window.
WHOLE = "whole"
# No map any more: means or maxima over all positions.
POOLED = "pooled"

# More positions than a window has, and fewer; sides that few numbers divide.
SIZES = ((5, 6), (17, 19))

_FOUND: Any = weakref.WeakKeyDictionary()


def locality(operation, data_format):
    """Finds out which positions each output of an operation depends on.

    It runs the operation, in inference mode, once with its weights and once
    with others, as weights that are zero at first hide what is learned later.
    Each operation is tried once. Its weights and seeds are not changed.

    Args:
        operation: a layer, or an operation such as slicing, that was called
            on the tensors of a graph.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        `"pointwise"`, `"whole"`, `"pooled"`, or None for anything else.

    Example:

    >>> import keras
    >>> x = keras.Input((None, None, 4))
    >>> of_channels = keras.ops.softmax(x[..., :2])
    >>> from keras_seg.keras_private import producer
    >>> locality(producer(of_channels), "channels_last")
    'pointwise'
    >>> locality(producer(keras.ops.max(x, axis=(1, 2))), "channels_last")
    'pooled'
    >>> locality(producer(x[:, 1:]), "channels_last") is None
    True
    """
    return _known(operation, data_format)[0]


def why_not(operation, data_format):
    """Says what was seen where `locality` returns None, for an error."""
    return _known(operation, data_format)[1]


def _known(operation, data_format):
    if not number_of_calls(operation):
        return None, ""
    known = _FOUND.setdefault(operation, {})
    if data_format not in known:
        try:
            with warnings.catch_warnings():
                # Of maps that the operation never gets otherwise.
                warnings.simplefilter("ignore")
                found = _find(operation, data_format)
            why = (
                "on random maps, what it computes at a position depends on "
                "the place or on neighbors"
            )
        except Exception as error:  # Whatever a stranger's layer raises.
            found = None
            first = f"{type(error).__name__}: {error}".strip().split("\n")[0]
            why = f"it does not run on random maps of other sizes ({first})"
        known[data_format] = found, why
    return known[data_format]


def _find(operation, data_format):
    call = call_that_made(keras.tree.flatten(operation.output)[0])
    axes = _spatial_axes(data_format)
    maps = [x for x in call.inputs if _is_map(x, axes)]
    # Vectors such as the gates of squeeze-and-excite blocks have one position.
    maps = [x for x in maps if not _is_single(x, axes)] or maps
    if not maps:
        return None
    rng = np.random.default_rng(0)
    dtypes = {keras.backend.standardize_dtype(x.dtype) for x in call.outputs}
    tolerance = 0.02 if dtypes & {"float16", "bfloat16"} else 1e-4
    found = set()
    for size in SIZES:
        arrays, order, kept = _arrays(call.inputs, maps, axes, size, rng)
        for values in _weights(operation, rng):
            made = _run(call, arrays, values)
            # Random weights may be none that the layer can have.
            if values is None or all(np.isfinite(x).all() for x in made):
                found |= {
                    _judge(x, axes, size, order, kept, tolerance) for x in made
                }
    # Weights of zero can hide that a layer looks at the whole map.
    found = found - {POINTWISE} if found == {POINTWISE, WHOLE} else found
    return found.pop() if len(found) == 1 else None


def _spatial_axes(data_format):
    return (1, 2) if data_format == "channels_last" else (2, 3)


def _is_map(tensor, axes):
    return len(tensor.shape) > axes[-1]


def _is_single(tensor, axes):
    return all(tensor.shape[axis] == 1 for axis in axes)


def _arrays(tensors, maps, axes, size, rng):
    """Batches of three: random, its positions permuted, half of them changed.

    Returns:
        `(arrays, order, kept)`: a dict from the id of a tensor to its array,
        the order of the flattened positions in the second, and where the
        third is as the first.
    """
    order = rng.permutation(size[0] * size[1])
    kept = rng.uniform(size=size) < 0.5
    arrays = {}
    for tensor in tensors:
        shape = [x or 3 for x in tensor.shape[1:]]
        if any(tensor is x for x in maps):
            for axis, side in zip(axes, size, strict=True):
                shape[axis - 1] = side
            x, other = (_random(shape, tensor.dtype, rng) for _ in "ab")
            # Larger by far, so that a maximum over the map would move.
            other = (4 * other).astype(other.dtype)
            mask = _in_shape(kept, axes, len(shape) + 1)[0]
            x = np.stack(
                [x, _permute(x[None], axes, order)[0], np.where(mask, x, other)]
            )
        else:
            x = np.stack([_random(shape, tensor.dtype, rng)] * 3)
        arrays[id(tensor)] = x
    return arrays, order, kept


def _random(shape, dtype, rng):
    if dtype == "bool":
        return rng.uniform(size=shape) < 0.5
    if "int" in dtype:
        return rng.integers(0, 5, shape).astype(dtype)
    return rng.normal(size=shape).astype("float32")


def _permute(x, axes, order):
    first, last = axes
    size = x.shape[first] * x.shape[last]
    shape = x.shape
    x = x.reshape(*shape[:first], size, *shape[last + 1 :])
    return np.take(x, order, first).reshape(shape)


def _in_shape(mask, axes, rank):
    shape = [1] * rank
    for axis, side in zip(axes, mask.shape, strict=True):
        shape[axis] = side
    return mask.reshape(shape)


def _weights(operation, rng):
    """The weights as they are (None), and others."""
    yield None
    variables = getattr(operation, "variables", [])
    if any(keras.backend.is_float_dtype(v.dtype) for v in variables):
        yield [
            # Positive, as variances are.
            (v, ops.convert_to_tensor(rng.uniform(0.5, 1.5, v.shape), v.dtype))
            for v in variables
            if keras.backend.is_float_dtype(v.dtype)
        ]


def _run(call, arrays, values):
    """The outputs of an operation on a batch, as arrays."""

    def value_of(x):
        if not isinstance(x, keras.KerasTensor):
            return x
        return ops.convert_to_tensor(arrays[id(x)], x.dtype)

    args, kwargs = keras.tree.map_structure(value_of, (call.args, call.kwargs))
    if "training" in kwargs:
        kwargs["training"] = False
    context: Any = contextlib.nullcontext()
    if keras.backend.backend() == "torch":
        import torch

        context = torch.no_grad()
    with context, keras.StatelessScope(values):
        made = keras.tree.flatten(call.operation(*args, **kwargs))
    return [ops.convert_to_numpy(ops.cast(x, "float32")) for x in made]


def _judge(x, axes, size, order, kept, tolerance):
    """The locality that an output shows: one of the three, or None."""
    allowed = tolerance * np.abs(x).max()
    if x.ndim <= axes[-1] or all(x.shape[axis] == 1 for axis in axes):
        is_same = np.abs(x[1] - x[0]).max() <= allowed
        return POOLED if is_same else None
    if tuple(x.shape[axis] for axis in axes) != size:
        return None
    moved = _permute(x[:1], axes, order)[0]
    if not np.abs(x[1] - moved).max() <= allowed:
        return None
    gap = np.abs(x[2] - x[0]) * _in_shape(kept, axes, x.ndim)[0]
    return POINTWISE if gap.max() <= allowed else WHOLE
