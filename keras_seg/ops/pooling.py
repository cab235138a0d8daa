"""Pooling over windows with holes."""

import functools

import keras
from keras import ops

from keras_seg.ops.dtypes import as_floats
from keras_seg.ops.dtypes import booleans_as_bytes
from keras_seg.ops.formats import spatial_axes

__all__ = ["max_pool", "sum_pool"]


@booleans_as_bytes
def max_pool(x, pool_size, rate=1, *, data_format="channels_last"):
    """Maximum over every window of `pool_size` taps that are `rate` apart.

    Stride 1, no padding: n positions become `n - (pool_size - 1) · rate`.

    Args:
        x: tensor of maps, rank 4.
        pool_size: pair of ints.
        rate: int, distance of neighboring taps.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The pooled maps, of the dtype of `x`.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 1.0, 2.0, 5.0, 4.0]).reshape(1, 1, 5, 1)
    >>> [float(v) for v in np.ravel(max_pool(x, (1, 2), rate=3))]
    [5.0, 4.0]
    """
    return _pool(x, pool_size, rate, data_format, _maximum)


def sum_pool(x, pool_size, rate=1, *, data_format="channels_last"):
    """Sum over every window of `pool_size` taps that are `rate` apart.

    Stride 1, no padding: n positions become `n - (pool_size - 1) · rate`.

    Args:
        x: tensor of maps, rank 4.
        pool_size: pair of ints.
        rate: int, distance of neighboring taps.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The pooled maps, of the dtype of `x`; those of integers and booleans
        are floats.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 1.0, 2.0, 5.0, 4.0]).reshape(1, 1, 5, 1)
    >>> [float(v) for v in np.ravel(sum_pool(x, (1, 2), rate=3))]
    [8.0, 5.0]
    """
    return _pool(as_floats(x), pool_size, rate, data_format, ops.add)


def _maximum(x, y):
    """On PyTorch `ops.maximum` makes 32 bits of 64."""
    if keras.config.backend() == "torch":
        return x.maximum(y)
    return ops.maximum(x, y)


def _pool(x, pool_size, rate, data_format, combine):
    """Combines the taps of a window, first along rows, then along columns."""
    x = ops.convert_to_tensor(x)
    for axis, taps in zip(spatial_axes(data_format), pool_size, strict=True):
        shifted = [_shift(x, axis, tap, taps, rate) for tap in range(taps)]
        x = functools.reduce(combine, shifted)
    return x


def _shift(x, axis, tap, taps, rate):
    """The map as the given tap of the window sees it."""
    last = (taps - 1 - tap) * rate
    window = slice(tap * rate, -last if last else None)
    return x[(slice(None),) * axis + (window,)]
