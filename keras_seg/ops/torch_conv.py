"""PyTorch's convolution without the copies of `keras.ops.conv`.

A map with its channels last, its axes permuted, already is what PyTorch calls
channels-last memory. So is a kernel whose memory has been reordered.
"""

import keras
from keras import ops

__all__ = ["lay_out_kernel", "torch_conv"]


def lay_out_kernel(kernel):
    """Reorders the memory of a kernel, so that no call has to copy it.

    Shape and values stay: with PyTorch the filters come first in memory, as
    its convolution takes them. Elsewhere nothing happens.

    Args:
        kernel: `keras.Variable` `(rows, columns, channels, filters)`.
    """
    # Its value is still to come where Keras counts weights alone.
    if keras.config.backend() == "torch" and kernel._value is not None:
        data = kernel.value.data
        data = data.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
        kernel.value.data = data


def torch_conv(
    x,
    kernel,
    rate,
    pads,
    data_format,
    depthwise=False,
    strides=1,
    bias=None,
):
    """Convolution with holes on the PyTorch backend.

    Args:
        x: tensor of maps, rank 4.
        kernel: tensor `(rows, columns, channels, filters)`; of 1 filter for
            each channel with `depthwise`.
        rate: int or pair of ints, distance of neighbouring taps.
        pads: pair of pairs of ints, of the rows and of the columns.
        data_format: `"channels_last"` or `"channels_first"`.
        depthwise: bool, whether every channel is convolved by itself.
        strides: int or pair of ints. Defaults to 1.
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
    if (top, left) != (bottom, right):
        x = functional.pad(x, (left, right, top, bottom))
        top = left = 0
    y = functional.conv2d(
        x,
        weight,
        bias,
        stride=strides,
        padding=(top, left),
        dilation=rate,
        groups=x.shape[1] if depthwise else 1,
    )
    return y.permute(0, 2, 3, 1) if data_format == "channels_last" else y
