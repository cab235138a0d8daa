"""Convolution, a bias included, in the form that is fastest where it runs.

On PyTorch, `keras.ops.conv` copies maps and kernels to and fro. A map with its
channels last, its axes permuted, already is what PyTorch calls channels-last
memory. So is a kernel whose memory has been reordered.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_seg.keras_private import has_value
from keras_seg.ops.backend import add_bias
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import is_portable
from keras_seg.ops.backend import on_cpu
from keras_seg.ops.backend import same_floats
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import torch_can
from keras_seg.ops.padding import explicit_same
from keras_seg.ops.padding import windows

__all__ = [
    "conv",
    "is_written_with_holes",
    "lay_out_kernel",
    "torch_conv",
    "with_holes",
]


def conv(
    x: Any,
    kernel: Any,
    strides: Sequence[int] = (1, 1),
    dilation_rate: Sequence[int] = (1, 1),
    *,
    padding: str = "valid",
    data_format: str = "channels_last",
    bias: Any = None,
) -> Any:
    """Computes `keras.ops.conv` plus a bias; equal up to rounding.

    JAX on a CPU: a kernel of one tap is one matrix product; a convolution
    without padding and stride gets one row of zeros below the map, and the
    row of results that comes of it is dropped, because XLA convolves padded
    maps several times faster; the gradient for the kernel is our own, see
    `jax_convolution`. PyTorch: its own convolution, without copies.
    Elsewhere: Keras's.

    Args:
        x: tensor `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        kernel: tensor `(rows, columns, channels, filters)`; with fewer
            channels than the map, it convolves groups of them.
        strides: pair of ints.
        dilation_rate: pair of ints, distances of neighboring taps.
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
    strides, dilation_rate = tuple(strides), tuple(dilation_rate)
    backend = keras.config.backend()
    sizes = [x.shape[axis] for axis in spatial_axes(data_format)]
    plain = kernel.shape[2] == x.shape[channel_axis(data_format)] and all(
        isinstance(size, int) for size in sizes
    )
    if backend == "torch" and plain:
        pads, _ = windows(
            sizes, kernel.shape[:2], strides, dilation_rate, padding
        )
        return torch_conv(
            x,
            kernel,
            dilation_rate,
            pads,
            data_format,
            strides=strides,
            bias=bias,
        )
    if backend == "jax" and plain and on_cpu(x):
        one_tap = tuple(kernel.shape[:2]) == (1, 1)
        if one_tap and data_format == "channels_last":
            y = _product(x[:, :: strides[0], :: strides[1]], kernel)
            return add_bias(y, bias, data_format)
        pads, counts = windows(
            sizes, kernel.shape[:2], strides, dilation_rate, padding
        )
        if min(counts) > 0:
            from keras_seg.fast.jax_convolution import jax_conv
            from keras_seg.fast.jax_depthwise import Geometry

            geometry = Geometry(pads, counts, strides, dilation_rate)
            y = jax_conv(x, kernel, geometry, data_format)
            return add_bias(y, bias, data_format)
    if padding == "same":
        x, padding = explicit_same(
            x, kernel.shape[:2], strides, dilation_rate, data_format
        )
    if is_written_with_holes(dilation_rate, padding, data_format):
        return add_bias(with_holes(x, kernel, dilation_rate), bias, data_format)
    y = ops.conv(
        x,
        kernel,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilation_rate=dilation_rate,
    )
    return add_bias(y, bias, data_format)


def _product(x, kernel):
    """One product for all positions: XLA is slower with several axes."""
    channels, filters = kernel.shape[2:]
    y = ops.matmul(ops.reshape(x, (-1, channels)), kernel[0, 0])
    return ops.reshape(y, (*x.shape[:3], filters))


def is_written_with_holes(dilation_rate, padding, data_format):
    """Whether `with_holes` is to be used, in an exported file."""
    return (
        keras.config.backend() == "tensorflow"
        and max(dilation_rate) > 1
        and (padding, data_format) == ("valid", "channels_last")
        and is_portable("onnx", "openvino")
    )


def with_holes(x, kernel, dilation_rate, depthwise=False):
    """A "valid" convolution with holes as one operation of TensorFlow.

    `tf.nn.convolution` and `tf.nn.depthwise_conv2d` cut a map of unknown size
    into a batch of small maps instead, and files keep it so. TensorFlow can
    write the depthwise operation, but not run it.
    """
    import tensorflow as tf

    raw = tf.raw_ops
    operation = raw.DepthwiseConv2dNative if depthwise else raw.Conv2D
    return operation(
        input=x,
        filter=kernel,
        strides=[1, 1, 1, 1],
        padding="VALID",
        dilations=[1, *dilation_rate, 1],
    )


def lay_out_kernel(kernel):
    """Reorders the memory of a kernel, so that no call has to copy it.

    Shape and values stay: with PyTorch the filters come first in memory, as
    its convolution takes them. Elsewhere nothing happens.

    Args:
        kernel: `keras.Variable` `(rows, columns, channels, filters)`.
    """
    if keras.config.backend() != "torch":
        return
    # With LoRA, Keras returns a sum in place of its variable.
    if isinstance(kernel, keras.Variable) and has_value(kernel):
        kernel.value.data = _laid_out(kernel.value.data)


def laid_out_as(value, variable):
    """A tensor in the order of memory of the variable that it is assigned to.

    Else PyTorch takes many times as long to assign a kernel that is laid out.

    Args:
        value: tensor of the shape of the variable.
        variable: `keras.Variable`, such as `lay_out_kernel` left it.
    """
    if keras.config.backend() != "torch" or len(variable.shape) != 4:
        return value
    return value if variable.value.is_contiguous() else _laid_out(value)


def _laid_out(kernel):
    # As a matrix, which PyTorch turns five times as fast.
    matrix = kernel.reshape(-1, kernel.shape[-1])
    return matrix.t().contiguous().t().reshape(kernel.shape)


def torch_conv(
    x,
    kernel,
    dilation_rate,
    pads,
    data_format,
    depthwise=False,
    strides=(1, 1),
    bias=None,
):
    """PyTorch's convolution, without the copies of `keras.ops.conv`.

    Args:
        x: tensor of maps, rank 4.
        kernel: tensor `(rows, columns, channels, filters)`; of 1 filter for
            each channel with `depthwise`.
        dilation_rate: pair of ints, distances of neighboring taps.
        pads: pair of pairs of ints, of the rows and of the columns.
        data_format: `"channels_last"` or `"channels_first"`.
        depthwise: bool, whether every channel is convolved by itself.
        strides: pair of ints. Defaults to 1.
        bias: tensor `(filters,)`, or None.

    Returns:
        The convolved maps.
    """
    import torch
    from torch.nn import functional

    if depthwise:
        # A small copy: as it lies, the convolution takes twice the time.
        weight = kernel.permute(2, 3, 0, 1).contiguous()
    else:
        weight = kernel.permute(3, 2, 0, 1)
    if data_format == "channels_last":
        x = x.permute(0, 3, 1, 2)
        laid_out = weight.is_contiguous(memory_format=torch.channels_last)
        if not depthwise and not laid_out:
            # One transposed copy, half the time of PyTorch's general one.
            flat = kernel.flatten(0, 2).t().contiguous()
            weight = flat.unflatten(1, kernel.shape[:3]).permute(0, 3, 1, 2)
    if bias is not None:
        bias = ops.convert_to_tensor(bias, x.dtype)
    (top, bottom), (left, right) = pads
    padding, inside = (top, left), ()
    if (top, left) != (bottom, right):
        # The copy of a padded map takes five times as long as a depthwise
        # convolution; the gradient of a crop takes longer than both.
        trained = x.requires_grad or weight.requires_grad
        if torch_can(x) and not (trained and torch.is_grad_enabled()):
            padding, inside = _widened(
                x.shape[2:], weight.shape[2:], pads, strides, dilation_rate
            )
        else:
            x = functional.pad(x, (left, right, top, bottom))
            padding = 0, 0
    y = functional.conv2d(
        x,
        weight,
        bias,
        stride=strides,
        padding=padding,
        dilation=dilation_rate,
        groups=x.shape[1] if depthwise else 1,
    )[..., *inside]
    return y.permute(0, 2, 3, 1) if data_format == "channels_last" else y


def _widened(sizes, kernel_size, pads, strides, rates):
    """Padding that is as wide before the map as after it.

    Returns the widths, and slices of the windows that were asked for.
    """
    widths, inside = [], []
    for n, k, (before, after), stride, rate in zip(
        sizes, kernel_size, pads, strides, rates, strict=True
    ):
        first = max(-((before - after) // stride), 0)
        count = (n + before + after - (k - 1) * rate - 1) // stride + 1
        widths.append(before + first * stride)
        inside.append(slice(first, first + count))
    return widths, inside
