"""Convolution of every channel by itself, in the form fastest where it runs."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_seg.fast.convolution import is_written_with_holes
from keras_seg.fast.convolution import torch_conv
from keras_seg.fast.convolution import with_holes
from keras_seg.ops.backend import add_bias
from keras_seg.ops.backend import on_cpu
from keras_seg.ops.backend import same_floats
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.padding import explicit_same
from keras_seg.ops.padding import windows

__all__ = ["depthwise_conv"]


def depthwise_conv(
    x: Any,
    kernel: Any,
    strides: Sequence[int],
    dilation_rate: Sequence[int],
    *,
    padding: str = "valid",
    data_format: str = "channels_last",
    bias: Any = None,
) -> Any:
    """`keras.ops.depthwise_conv` plus a bias, by means that are faster.

    On a CPU XLA's convolution in groups, and its gradients, take ten times as
    long as one product of the shifted map with each tap of the kernel: that
    is what JAX gets there, without forward-mode gradients. With PyTorch Keras
    copies maps and kernels to and fro; PyTorch's own convolution takes maps
    as they lie. The results differ by rounding only.

    Args:
        x: tensor `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        kernel: tensor `(rows, columns, channels, multiplier)`.
        strides: pair of ints.
        dilation_rate: pair of ints, distances of neighboring taps.
        padding: `"same"` or `"valid"`. Defaults to `"valid"`.
        data_format: `"channels_last"` or `"channels_first"`.
        bias: tensor `(channels · multiplier,)`, added to the result, or None.

    Returns:
        The convolved maps, of `channels · multiplier` channels.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0, 4.0, 5.0]).reshape(1, 1, 5, 1)
    >>> kernel = np.ones((1, 3, 1, 1))
    >>> y = depthwise_conv(x, kernel, (2, 2), (1, 1), padding="same")
    >>> [float(v) for v in np.ravel(y)]
    [3.0, 9.0, 9.0]
    """
    x, kernel = same_floats(x, kernel)
    sizes = [x.shape[axis] for axis in spatial_axes(data_format)]
    backend = keras.config.backend()
    if (
        (backend == "torch" or (backend == "jax" and on_cpu(x)))
        and kernel.shape[-1] == 1
        and all(isinstance(size, int) for size in sizes)
    ):
        pads, counts = windows(
            sizes, kernel.shape[:2], strides, dilation_rate, padding
        )
        strides, dilation_rate = tuple(strides), tuple(dilation_rate)
        if backend == "torch":
            return torch_conv(
                x, kernel, dilation_rate, pads, data_format, True, strides, bias
            )
        if min(counts) > 0:
            from keras_seg.fast import jax_depthwise

            y = jax_depthwise.jax_depthwise_conv(
                x,
                kernel,
                jax_depthwise.Geometry(pads, counts, strides, dilation_rate),
                data_format,
            )
            return add_bias(y, bias, data_format)
    if padding == "same":
        x, padding = explicit_same(
            x, kernel.shape[:2], strides, dilation_rate, data_format
        )
    if is_written_with_holes(dilation_rate, padding, data_format):
        y = with_holes(x, kernel, dilation_rate, depthwise=True)
        return add_bias(y, bias, data_format)
    y = ops.depthwise_conv(
        x,
        kernel,
        strides=tuple(strides),
        padding=padding,
        data_format=data_format,
        dilation_rate=tuple(dilation_rate),
    )
    return add_bias(y, bias, data_format)
