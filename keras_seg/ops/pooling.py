"""Pooling: windows with holes, and maxima with their positions."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_seg.ops.backend import as_floats
from keras_seg.ops.backend import booleans_as_bytes
from keras_seg.ops.backend import is_portable
from keras_seg.ops.backend import lowest
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import torch_can
from keras_seg.ops.padding import ceil_division
from keras_seg.ops.padding import pad_spatial

__all__ = [
    "max_pool",
    "max_pool_with_indices",
    "pooled_size",
    "positions",
    "sum_pool",
]


@booleans_as_bytes
def max_pool(
    x: Any,
    pool_size: Sequence[int],
    dilation_rate: int = 1,
    *,
    data_format: str = "channels_last",
) -> Any:
    """Maximum over windows of `pool_size` taps, `dilation_rate` apart.

    Stride 1, no padding: n positions become `n - (pool_size - 1) · rate`.

    Args:
        x: tensor of maps, rank 4.
        pool_size: pair of ints.
        dilation_rate: int, distance of neighboring taps.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The pooled maps, of the dtype of `x`.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 1.0, 2.0, 5.0, 4.0]).reshape(1, 1, 5, 1)
    >>> [float(v) for v in np.ravel(max_pool(x, (1, 2), dilation_rate=3))]
    [5.0, 4.0]
    """
    return _pool(x, pool_size, dilation_rate, data_format, _maximum)


def sum_pool(
    x: Any,
    pool_size: Sequence[int],
    dilation_rate: int = 1,
    *,
    data_format: str = "channels_last",
) -> Any:
    """Sum over windows of `pool_size` taps, `dilation_rate` apart.

    Stride 1, no padding: n positions become `n - (pool_size - 1) · rate`.

    Args:
        x: tensor of maps, rank 4.
        pool_size: pair of ints.
        dilation_rate: int, distance of neighboring taps.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The pooled maps, of the dtype of `x`; those of integers and booleans
        are floats.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 1.0, 2.0, 5.0, 4.0]).reshape(1, 1, 5, 1)
    >>> [float(v) for v in np.ravel(sum_pool(x, (1, 2), dilation_rate=3))]
    [8.0, 5.0]
    """
    return _pool(as_floats(x), pool_size, dilation_rate, data_format, ops.add)


def _maximum(x, y):
    """On PyTorch `ops.maximum` makes 32 bits of 64."""
    if keras.config.backend() == "torch":
        return x.maximum(y)
    return ops.maximum(x, y)


def _pool(x, pool_size, dilation_rate, data_format, combine):
    """Combines the taps of a window, first along rows, then along columns."""
    x = ops.convert_to_tensor(x)
    for axis, taps in zip(spatial_axes(data_format), pool_size, strict=True):
        shifted = [
            _shift(x, axis, tap, taps, dilation_rate) for tap in range(taps)
        ]
        x = functools.reduce(combine, shifted)
    return x


def _shift(x, axis, tap, taps, dilation_rate):
    """The map as the given tap of the window sees it."""
    last = (taps - 1 - tap) * dilation_rate
    window = slice(tap * dilation_rate, -last if last else None)
    return x[(slice(None),) * axis + (window,)]


def pooled_size(
    size: Any, pool_size: int, stride: int, rounding: str = "ceil"
) -> Any:
    """Number of windows along one side of a map.

    With "floor" the windows lie within the map: `floor((n - k) / s) + 1`.
    With "ceil", as in Caffe, they cover it, the last one cut off at the edge
    if need be: `ceil((n - k) / s) + 1`, at least 1, without those that
    would begin outside.

    Args:
        size: int or integer tensor, n.
        pool_size: int, k.
        stride: int, s.
        rounding: `"floor"` or `"ceil"`.

    Raises:
        ValueError: if no window lies within a map of a known size.

    Example:

    >>> pooled_size(23, 2, 2, "floor"), pooled_size(23, 2, 2, "ceil")
    (11, 12)
    """
    if rounding == "floor":
        if isinstance(size, int) and size < pool_size:
            raise ValueError(
                f"A window of {pool_size} does not fit into {size} positions; "
                "with rounding='ceil' it would be cut off. "
                f"Received: pool_size={pool_size}, size={size}"
            )
        return (size - pool_size) // stride + 1
    least = ops.minimum if ops.is_tensor(size) else min
    most = ops.maximum if ops.is_tensor(size) else max
    cover = ceil_division(most(size - pool_size, 0), stride) + 1
    return least(cover, ceil_division(size, stride))


@booleans_as_bytes
def max_pool_with_indices(
    x: Any,
    pool_size: Sequence[int],
    strides: Sequence[int] | None = None,
    *,
    rounding: str = "ceil",
    data_format: str = "channels_last",
) -> tuple[Any, Any]:
    """Maximum of every window, and its position in the map.

    The pooling index of a window is the flat position `y · W + x` of its
    maximum in the plane of its image and channel, W columns wide: the
    convention of Caffe and PyTorch. Of equal maxima the first in raster order
    counts, as there. Values must not be NaN.

    Args:
        x: tensor of maps, rank 4.
        pool_size: pair of ints.
        strides: pair of ints. Defaults to `pool_size`.
        rounding: `"floor"` or `"ceil"`: see `keras_seg.ops.pooled_size`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        `(pooled, indices)`: the maxima, of the dtype of `x`, and their
        positions, int32, of the same shape.

    Raises:
        ValueError: if no window lies within a map of a known size.

    Example:

    >>> import numpy as np
    >>> x = np.array([[1.0, 3.0, 2.0], [3.0, 2.0, 5.0]]).reshape(1, 2, 3, 1)
    >>> pooled, indices = max_pool_with_indices(x, (2, 2))
    >>> [float(v) for v in np.ravel(pooled)]
    [3.0, 5.0]
    >>> [int(v) for v in np.ravel(indices)]
    [1, 5]
    """
    best = ops.convert_to_tensor(x)
    strides = pool_size if strides is None else strides
    axes = spatial_axes(data_format)
    size = [ops.shape(best)[axis] for axis in axes]
    windows = [
        pooled_size(n, k, s, rounding)
        for n, k, s in zip(size, pool_size, strides, strict=True)
    ]
    if torch_can(best) and all(
        n >= k for n, k in zip(size, pool_size, strict=True)
    ):
        return _torch_pool(best, pool_size, strides, rounding, data_format)
    best = _whole_cells(best, size, windows, pool_size, strides, data_format)

    # Across, then down, a later tap only if it is larger: the first row
    # that has the maximum, and in it the first column.
    (down, across), (m_down, m_across) = axes, windows
    # LiteRT compares no bytes.
    small = "int8" if pool_size[1] < 128 and not is_portable() else "int32"
    taps = _taps(best, across, pool_size[1], strides[1], m_across)
    best, column = taps[0], ops.zeros_like(taps[0], dtype=small)
    for number, tap in enumerate(taps[1:], start=1):
        larger = tap > best
        best = ops.where(larger, tap, best)
        column = ops.maximum(column, ops.cast(larger, small) * number)
    taps = _taps(best, down, pool_size[0], strides[0], m_down)
    columns = _taps(column, down, pool_size[0], strides[0], m_down)
    best, indices = taps[0], ops.cast(columns[0], "int32")
    for number, tap in enumerate(taps[1:], start=1):
        larger = tap > best
        best = ops.where(larger, tap, best)
        place = ops.cast(columns[number], "int32") + number * size[1]
        indices = ops.where(larger, place, indices)
    first = positions(windows, strides, size[1], data_format)
    return best, indices + first


def positions(counts, steps, width, data_format):
    """Flat positions of every `steps`-th row and column, of rank 4."""
    down, across = (
        ops.arange(count, dtype="int32") * step
        for count, step in zip(counts, steps, strict=True)
    )
    others = (0, 1) if data_format == "channels_first" else (0, 3)
    return ops.expand_dims(ops.expand_dims(down * width, 1) + across, others)


def _whole_cells(x, size, windows, pool_size, strides, data_format):
    """Pads or crops to the cells of `strides` that the windows reach."""
    ends = [
        (m - 1 - (-k // s)) * s
        for m, k, s in zip(windows, pool_size, strides, strict=True)
    ]
    most = max if all(isinstance(n, int) for n in size) else ops.maximum
    rows, columns = [
        (0, most(end - n, 0)) for end, n in zip(ends, size, strict=True)
    ]
    x = pad_spatial(x, rows, columns, data_format, lowest(x.dtype))
    window = [slice(None)] * 4
    for axis, end in zip(spatial_axes(data_format), ends, strict=True):
        window[axis] = slice(end)
    return x[tuple(window)]


def _taps(x, axis, taps, stride, windows):
    """The map as each tap of the windows sees it, along one axis.

    A slice with steps takes TensorFlow twenty times as long as one of a map
    whose cells have an axis to themselves.
    """
    shape, before = list(ops.shape(x)), (slice(None),) * axis
    shape[axis : axis + 1] = [windows - 1 - (-taps // stride), stride]
    x = ops.reshape(x, shape)
    return [
        x[
            (
                *before,
                slice(tap // stride, tap // stride + windows),
                tap % stride,
            )
        ]
        for tap in range(taps)
    ]


def _torch_pool(x, pool_size, strides, rounding, data_format):
    from torch.nn.functional import max_pool2d

    last = data_format == "channels_last"
    pooled, indices = max_pool2d(
        x.permute(0, 3, 1, 2) if last else x,
        pool_size,
        strides,
        ceil_mode=rounding == "ceil",
        return_indices=True,
    )
    if last:
        pooled = pooled.permute(0, 2, 3, 1)
        indices = indices.permute(0, 2, 3, 1)
    return pooled, ops.cast(indices, "int32")
