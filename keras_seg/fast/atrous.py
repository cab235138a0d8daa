"""Convolution with holes, in the form that is fastest where it runs."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_seg.fast.convolution import conv
from keras_seg.fast.convolution import is_written_with_holes
from keras_seg.fast.convolution import torch_conv
from keras_seg.fast.depthwise import depthwise_conv
from keras_seg.ops.backend import add_bias
from keras_seg.ops.backend import on_cpu
from keras_seg.ops.backend import same_floats
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.padding import pad_spatial

__all__ = ["atrous_conv", "atrous_depthwise_conv", "atrous_padding"]


def atrous_conv(
    x: Any,
    kernel: Any,
    dilation_rate: int = 1,
    *,
    padding: str | int | Sequence[int] = "same",
    data_format: str = "channels_last",
    bias: Any = None,
) -> Any:
    """Convolution whose taps are `dilation_rate` positions apart, at stride 1.

    It runs in one of two forms that differ by rounding only. Either the
    convolution of the backend, or one matrix product for each tap of the
    kernel, cropped to the overlap of the shifted map with the map itself:

        y[p] = sum over taps t of x[p + rate · t] · kernel[t]

    The second spends nothing on taps that lie in the padding, which are most
    of them where the rate comes close to the size of the map. Which one it is
    follows from the rate, the map, the backend and the device: on a CPU,
    TensorFlow and JAX take the products from a rate of a sixth of the map,
    PyTorch from a half for training and two thirds otherwise.

    Args:
        x: tensor `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        kernel: tensor `(rows, columns, channels, filters)`.
        dilation_rate: int, distance of neighboring taps. Defaults to 1.
        padding: `"same"`, `"valid"`, or an int or pair of ints: zeros on
            each side of the rows and of the columns. Defaults to `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        bias: tensor `(filters,)`, added to the result, or None.

    Returns:
        The convolved maps. A side of n positions becomes `n + padding -
        (k - 1) · rate`, for k taps and the padding of both sides.

    Raises:
        ValueError: if the kernel does not fit into the padded map.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0, 4.0, 5.0]).reshape(1, 1, 5, 1)
    >>> y = atrous_conv(x, np.ones((1, 3, 1, 1)), dilation_rate=2)
    >>> [float(v) for v in np.ravel(y)]
    [4.0, 6.0, 9.0, 6.0, 8.0]
    """
    x, kernel = same_floats(x, kernel)
    pads = atrous_padding(kernel.shape[:2], dilation_rate, padding)
    sizes = _output_sizes(x, kernel, dilation_rate, pads, data_format)
    if _products_are_faster(x, kernel, dilation_rate, data_format):
        y = _taps(
            x, kernel, dilation_rate, pads, sizes, data_format, _matrix_product
        )
        if y is not None:
            return add_bias(y, bias, data_format)
    holes = dilation_rate, dilation_rate
    if keras.config.backend() == "torch":
        return torch_conv(x, kernel, holes, pads, data_format, bias=bias)
    written = is_written_with_holes(holes, "valid", data_format)
    if written or pads == ((0, 0), (0, 0)):
        return conv(
            pad_spatial(x, pads[0], pads[1], data_format),
            kernel,
            dilation_rate=holes,
            data_format=data_format,
            bias=bias,
        )
    y = ops.conv(
        pad_spatial(x, pads[0], pads[1], data_format),
        kernel,
        padding="valid",
        dilation_rate=dilation_rate,
        data_format=data_format,
    )
    return add_bias(y, bias, data_format)


def atrous_depthwise_conv(
    x: Any,
    kernel: Any,
    dilation_rate: int = 1,
    *,
    padding: str | int | Sequence[int] = "same",
    data_format: str = "channels_last",
) -> Any:
    """Convolution with holes of every channel by itself, at stride 1.

    Args:
        x: tensor `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        kernel: tensor `(rows, columns, channels, 1)`.
        dilation_rate: int, distance of neighboring taps. Defaults to 1.
        padding: `"same"`, `"valid"`, or an int or pair of ints: zeros on
            each side of the rows and of the columns. Defaults to `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The convolved maps, with the channels of `x`.

    Raises:
        ValueError: if the kernel does not fit into the padded map.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0, 4.0, 5.0]).reshape(1, 1, 5, 1)
    >>> y = atrous_depthwise_conv(x, np.ones((1, 3, 1, 1)), dilation_rate=2)
    >>> [float(v) for v in np.ravel(y)]
    [4.0, 6.0, 9.0, 6.0, 8.0]
    """
    x, kernel = same_floats(x, kernel)
    pads = atrous_padding(kernel.shape[:2], dilation_rate, padding)
    sizes = _output_sizes(x, kernel, dilation_rate, pads, data_format)
    if keras.config.backend() == "torch":
        rates = dilation_rate, dilation_rate
        return torch_conv(x, kernel, rates, pads, data_format, depthwise=True)
    if dilation_rate > 1 and on_cpu(x):
        kernel = kernel[..., 0]
        y = _taps(
            x, kernel, dilation_rate, pads, sizes, data_format, ops.multiply
        )
        if y is not None:
            return y
        kernel = ops.expand_dims(kernel, -1)
    return depthwise_conv(
        pad_spatial(x, pads[0], pads[1], data_format),
        kernel,
        (1, 1),
        (dilation_rate, dilation_rate),
        data_format=data_format,
    )


def atrous_padding(kernel_size, dilation_rate, padding):
    """The zeros around the map: `((top, bottom), (left, right))`.

    "same" pads by `(k - 1) · rate`, the smaller half first.

    Args:
        kernel_size: pair of ints.
        dilation_rate: int.
        padding: `"same"`, `"valid"`, an int or a pair of ints.

    Returns:
        A pair of pairs of ints.

    Example:

    >>> atrous_padding((3, 2), dilation_rate=5, padding="same")
    ((5, 5), (2, 3))
    """
    if padding == "same":
        totals = [(taps - 1) * dilation_rate for taps in kernel_size]
        rows, columns = [(n // 2, n - n // 2) for n in totals]
        return rows, columns
    if padding == "valid":
        return (0, 0), (0, 0)
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    top, left = padding
    return (top, top), (left, left)


def _output_sizes(x, kernel, rate, pads, data_format):
    shape = ops.shape(x)
    sizes = [
        shape[axis] + sum(pad) - (taps - 1) * rate
        for axis, pad, taps in zip(
            spatial_axes(data_format), pads, kernel.shape[:2], strict=True
        )
    ]
    if any(isinstance(size, int) and size < 1 for size in sizes):
        raise ValueError(
            f"A kernel of {tuple(kernel.shape[:2])} taps does not fit into "
            f"the map. Received: dilation_rate={rate}, padding={pads}, "
            f"x.shape={tuple(x.shape)}"
        )
    return sizes


def _products_are_faster(x, kernel, rate, data_format):
    if not on_cpu(x):
        return False
    if tuple(kernel.shape[:2]) == (1, 1):
        return data_format == "channels_last"
    if rate == 1:
        return False
    rows, columns = spatial_axes(data_format)
    sizes = (x.shape[rows], x.shape[columns])
    backend = keras.config.backend()
    if not all(isinstance(size, int) for size in sizes):
        # TensorFlow turns holes into a batch of small maps, and XLA takes
        # up to a minute for the gradient of those that are very small.
        return backend == "tensorflow"
    if backend == "torch":
        share = 1 / 2 if _torch_records(x, kernel) else 2 / 3
        return rate >= share * min(sizes)
    return 6 * rate >= min(sizes)


def _taps(x, kernel, rate, pads, sizes, data_format, product):
    """Sums the products of the taps, each within its part of the map.

    Returns None where every tap lies outside.
    """
    if data_format == "channels_first":
        x = ops.transpose(x, (0, 2, 3, 1))
    shape = ops.shape(x)
    rows, columns = [
        [
            _overlap(shape[axis], size, tap * rate - before)
            for tap in range(kernel.shape[axis - 1])
        ]
        for axis, size, (before, _) in zip((1, 2), sizes, pads, strict=True)
    ]
    taps = ops.unstack(
        ops.reshape(kernel, (len(rows) * len(columns), *kernel.shape[2:]))
    )
    parts = [
        pad_spatial(
            product(_window(x, top, bottom, left, right), tap),
            rows_around,
            columns_around,
            "channels_last",
        )
        for tap, (
            (top, bottom, rows_around),
            (left, right, columns_around),
        ) in zip(taps, itertools.product(rows, columns), strict=True)
        if not _empty(top, bottom) and not _empty(left, right)
    ]
    if not parts:
        return None
    y = functools.reduce(ops.add, parts)
    if data_format == "channels_first":
        y = ops.transpose(y, (0, 3, 1, 2))
    return y


def _overlap(size, new_size, shift):
    """What a tap sees of an axis, and the zeros around what it gives.

    Position p of the result sees position `p + shift` of the map.
    """
    least = ops.minimum if ops.is_tensor(size) else min
    most = ops.maximum if ops.is_tensor(size) else max
    first = least(most(-shift, 0), new_size)
    last = most(least(new_size, size - shift), first)
    start = least(most(first + shift, 0), size)
    return start, start + last - first, (first, new_size - last)


def _window(x, top, bottom, left, right):
    """The rows and columns of a tap.

    TensorFlow's gradient of an index is several times slower than that of
    its `slice`, which pads.
    """
    if keras.config.backend() != "tensorflow":
        return x[:, top:bottom, left:right]
    size = (-1, bottom - top, right - left, -1)
    return ops.slice(x, (0, top, left, 0), size)


def _matrix_product(x, tap):
    """One product for all positions: the gradient for the tap is one, too."""
    y = ops.matmul(ops.reshape(x, (-1, tap.shape[0])), tap)
    return ops.reshape(y, (*ops.shape(x)[:3], tap.shape[1]))


def _empty(start, stop):
    return isinstance(start, int) and isinstance(stop, int) and start >= stop


def _torch_records(x, kernel):
    import torch

    return torch.is_grad_enabled() and (x.requires_grad or kernel.requires_grad)
