"""Integers and booleans, which interpolation and sums do not fit into."""

import functools

import keras
import numpy as np
from keras import ops

from keras_seg.ops.devices import is_portable

__all__ = [
    "as_floats",
    "booleans_as_bytes",
    "check_integers",
    "lowest",
    "same_floats",
]


def as_floats(x):
    """Floats as they are, integers and booleans as Keras's default floats.

    Interpolated as integers, weights below 1 would be zeros, and sums of
    bytes would start again from 0 at 256.

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


def booleans_as_bytes(function):
    """Lets a function that takes maxima take booleans: the result is so too.

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

    return wrapped


def check_integers(name, x):
    """Raises a `ValueError` unless the tensor is of integers."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if "int" not in dtype:
        raise ValueError(
            f"The {name} must be integers. Received: {name} of {dtype}"
        )


def lowest(dtype):
    """The number that no other of the type is below.

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
