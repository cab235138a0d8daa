"""What depends on the backend or on a setting of Keras.

Data formats, dtypes, the device that computes, and functions of `keras.ops`
that are wrong on one backend.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable
from typing import TypeVar
from typing import cast

import keras
import numpy as np
from keras import ops

__all__ = [
    "add_bias",
    "as_floats",
    "booleans_as_bytes",
    "channel_axis",
    "check_integers",
    "gradient",
    "is_portable",
    "lowest",
    "on_cpu",
    "portable_forms",
    "same_floats",
    "select",
    "spatial_axes",
    "standardize_data_format",
    "torch_can",
]

FORMATS = ("channels_last", "channels_first")

_Function = TypeVar("_Function", bound=Callable)


def standardize_data_format(data_format):
    """Returns `data_format`, or the Keras setting where it is None.

    Raises:
        ValueError: if it is neither of the two formats.
    """
    if data_format is None:
        return keras.config.image_data_format()
    if data_format not in FORMATS:
        raise ValueError(
            f"`data_format` must be one of {FORMATS} or None. "
            f"Received: data_format={data_format!r}"
        )
    return data_format


def channel_axis(data_format):
    """Returns the axis of the channels of a batch of maps, 1 or 3."""
    return 1 if data_format == "channels_first" else 3


def spatial_axes(data_format):
    """Returns the axes of the rows and of the columns of a batch of maps."""
    return (2, 3) if data_format == "channels_first" else (1, 2)


def select(x, indices, axis):
    """Returns the entries `indices` along one axis, as `keras.ops.take`.

    Keras 3.15 squeezes what it took on PyTorch, which does nothing there,
    and makes a Squeeze of ONNX that no runtime accepts.
    """
    if keras.config.backend() == "torch":
        indices = ops.convert_to_tensor(indices, "int64")
        return x.index_select(axis, indices)
    return ops.take(x, indices, axis)


def add_bias(x, bias, data_format):
    """Adds a number to each channel.

    Args:
        x: tensor of maps, rank 4.
        bias: tensor `(channels,)`, or None for nothing.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A tensor of the shape of `x`.

    Example:

    >>> import numpy as np
    >>> y = add_bias(np.zeros((1, 1, 1, 2)), np.array([1.0, 2.0]),
    ...     "channels_last")
    >>> [float(v) for v in np.ravel(y)]
    [1.0, 2.0]
    """
    if bias is None:
        return x
    shape = [1, 1, 1, 1]
    shape[channel_axis(data_format)] = -1
    if data_format == "channels_first":
        # Where a map is as wide as it has channels, Keras 3.15 on TensorFlow
        # adds along the width: it turns the sum into `tf.nn.bias_add`. A
        # difference it leaves alone.
        return ops.subtract(x, ops.reshape(-bias, shape))
    return ops.add(x, ops.reshape(bias, shape))


def as_floats(x):
    """Casts integers and booleans to Keras's default float; keeps floats.

    As integers, weights of interpolation below 1 would be zero, and sums of
    bytes would overflow at 256.

    Args:
        x: tensor or array.

    Returns:
        A tensor of floats.

    Example:

    >>> import numpy as np
    >>> as_floats(np.array([1, 2], "uint8")).dtype == as_floats(1.0).dtype
    True
    """
    return same_floats(x)[0]


def same_floats(*tensors):
    """The tensors, cast to floats of the one type that holds all of them."""
    tensors = tuple(map(ops.convert_to_tensor, tensors))
    dtypes = {keras.backend.standardize_dtype(x.dtype) for x in tensors}
    if len(dtypes) == 1 and keras.backend.is_float_dtype(*dtypes):
        return tensors
    dtype = keras.backend.result_type(*dtypes, float)
    return tuple(ops.cast(x, dtype) for x in tensors)


def booleans_as_bytes(function: _Function) -> _Function:
    """Decorates a function of maxima to take booleans and return them.

    Not every backend compares booleans.

    Args:
        function: of a tensor and further arguments, to a tensor or to a
            tuple whose first one has the dtype of the argument.

    Returns:
        A function of the same arguments.
    """

    @functools.wraps(function)
    def wrapped(x, *args, **kwargs):
        x = ops.convert_to_tensor(x)
        if keras.backend.standardize_dtype(x.dtype) != "bool":
            return function(x, *args, **kwargs)
        y = function(ops.cast(x, "uint8"), *args, **kwargs)
        if isinstance(y, tuple):
            return ops.cast(y[0], "bool"), *y[1:]
        return ops.cast(y, "bool")

    return cast(_Function, wrapped)


def gradient(function, x):
    """Computes the gradient of a function for its argument.

    Args:
        function: of a tensor, to a tensor of one number.
        x: array of floats.

    Returns:
        A NumPy array of the shape of `x`.

    Example:

    >>> gradient(lambda x: x[0] * x[1], [2.0, 3.0]).tolist()
    [3.0, 2.0]
    """
    x = ops.convert_to_tensor(x)
    if keras.config.backend() == "jax":
        import jax

        # One by one, the operations of MobileNetV2 take 28 s to compile, not 4.
        result = jax.jit(jax.grad(function))(x)
    elif keras.config.backend() == "torch":
        import torch

        x = x.detach().requires_grad_()
        (result,) = torch.autograd.grad(function(x), x)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        result = tape.gradient(value, x)
    return ops.convert_to_numpy(result)


def check_integers(name, x):
    """Raises a `ValueError` unless the tensor is of integers."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if "int" not in dtype:
        raise ValueError(
            f"The {name} must be integers. Received: {name} of {dtype}"
        )


def lowest(dtype):
    """Returns the smallest number of a dtype.

    Example:

    >>> lowest("uint8"), lowest("int8"), lowest("float32")
    (0, -128, -inf)
    """
    dtype = keras.backend.standardize_dtype(dtype)
    if dtype == "bool":
        return False
    if "int" in dtype:
        return int(np.iinfo(dtype).min)
    if is_portable():
        # Converters to ONNX choose by multiplying with 0 and 1.
        return -6e4 if dtype == "float16" else -3e38
    return -float("inf")


_written: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "written", default=None
)


@contextlib.contextmanager
def portable_forms(format_name):
    """Context in which operations take the form that a format's runtime knows.

    An exported graph runs elsewhere, where what is fast in this process may be
    slow or missing. `format_name` is one of Keras's, such as `"onnx"`.
    """
    token = _written.set(format_name)
    try:
        yield
    finally:
        _written.reset(token)


def is_portable(*format_names):
    """Whether the code runs within `portable_forms`, of one of the formats."""
    written = _written.get()
    return written in format_names if format_names else written is not None


def on_cpu(x):
    """Whether `x` is computed on this machine's CPU."""
    if is_portable():
        return False
    if keras.config.backend() == "torch":
        return x.device.type == "cpu"
    return _has_cpus_only()


def torch_can(x):
    """Whether PyTorch's own functions can be used.

    On its CPU they give the same numbers in a fraction of the time; on a GPU
    they may differ from run to run.
    """
    if is_portable() or keras.config.backend() != "torch":
        return False
    import torch

    return (
        x.device.type == "cpu"
        and x.is_floating_point()
        and not torch.compiler.is_compiling()
    )


@functools.cache
def _has_cpus_only():
    devices = keras.distribution.list_devices()
    return all(device.lower().startswith("cpu") for device in devices)
