"""Keras's convolution, in the form that is fastest where it runs."""

import keras
from keras import ops

from keras_seg.ops.bias import add_bias
from keras_seg.ops.devices import on_cpu
from keras_seg.ops.dtypes import same_floats
from keras_seg.ops.formats import spatial_axes
from keras_seg.ops.padding import explicit_same
from keras_seg.ops.padding import pad_spatial
from keras_seg.ops.padding import windows
from keras_seg.ops.torch_conv import torch_conv

__all__ = ["conv"]


def conv(
    x,
    kernel,
    strides=(1, 1),
    rates=(1, 1),
    *,
    padding="valid",
    data_format="channels_last",
    bias=None,
):
    """`keras.ops.conv` and a bias, by other means where those are faster.

    On a CPU, with JAX 0.10, XLA convolves with a kernel of one tap in two to
    five times the time of a matrix product, and without any padding in three
    to seven times that with some: there the map gets one more row, and the
    row that comes of it is left off. With PyTorch Keras copies maps and
    kernels to and fro; PyTorch's own convolution takes maps as they lie. The
    results differ by rounding only.

    Args:
        x: tensor `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        kernel: tensor `(rows, columns, channels, filters)`; with fewer
            channels than the map it convolves groups of them.
        strides: pair of ints.
        rates: pair of ints, distances of neighbouring taps.
        padding: `"same"` or `"valid"`. Defaults to `"valid"`.
        data_format: `"channels_last"` or `"channels_first"`.
        bias: tensor `(filters,)`, added to the result, or None.

    Returns:
        The convolved maps.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0, 4.0, 5.0]).reshape(1, 1, 5, 1)
    >>> y = conv(x, np.ones((1, 3, 1, 1)), (2, 2), padding="same")
    >>> [float(v) for v in np.ravel(y)]
    [3.0, 9.0, 9.0]
    """
    x, kernel = same_floats(x, kernel)
    axes = rows, columns = spatial_axes(data_format)
    (channel_axis,) = {1, 2, 3} - set(axes)
    strides, rates = tuple(strides), tuple(rates)
    backend = keras.config.backend()
    sizes = [x.shape[axis] for axis in axes]
    plain = kernel.shape[2] == x.shape[channel_axis] and all(
        isinstance(size, int) for size in sizes
    )
    if backend == "torch" and plain:
        pads, _ = windows(sizes, kernel.shape[:2], strides, rates, padding)
        return torch_conv(
            x, kernel, rates, pads, data_format, strides=strides, bias=bias
        )
    row_more = False
    if backend == "jax" and plain and on_cpu(x):
        one_tap = tuple(kernel.shape[:2]) == (1, 1)
        if one_tap and data_format == "channels_last":
            y = _product(x[:, :: strides[0], :: strides[1]], kernel)
            return add_bias(y, bias, data_format)
        row_more = padding == "valid" and strides == (1, 1)
    if row_more:
        x = pad_spatial(x, (0, 1), (0, 0), data_format)
    if padding == "same":
        x, padding = explicit_same(
            x, kernel.shape[:2], strides, rates, data_format
        )
    y = ops.conv(
        x,
        kernel,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilation_rate=rates,
    )
    if row_more:
        y = y[(slice(None),) * rows + (slice(-1),)]
    return add_bias(y, bias, data_format)


def _product(x, kernel):
    """One product for all positions: XLA is slower with several axes."""
    channels, filters = kernel.shape[2:]
    y = ops.matmul(ops.reshape(x, (-1, channels)), kernel[0, 0])
    return ops.reshape(y, (*x.shape[:3], filters))
