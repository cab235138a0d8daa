"""PyTorch's convolution without the copies of `keras.ops.conv`.

A map with its channels last, its axes permuted, already is what PyTorch calls
channels-last memory.
"""

__all__ = ["torch_conv"]


def torch_conv(x, kernel, rate, pads, data_format, depthwise=False):
    """Convolution with holes, at stride 1, on the PyTorch backend.

    Args:
        x: tensor of maps, rank 4.
        kernel: tensor `(rows, columns, channels, filters)`; of 1 filter for
            each channel with `depthwise`.
        rate: int or pair of ints, distance of neighbouring taps.
        pads: pair of pairs of ints, of the rows and of the columns.
        data_format: `"channels_last"` or `"channels_first"`.
        depthwise: bool, whether every channel is convolved by itself.

    Returns:
        The convolved maps.
    """
    from torch.nn import functional

    weight = kernel.permute((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
    if data_format == "channels_last":
        x = x.permute(0, 3, 1, 2)
        if not depthwise:
            # One transposed copy, half the time of PyTorch's general one.
            flat = kernel.flatten(0, 2).t().contiguous()
            weight = flat.unflatten(1, kernel.shape[:3]).permute(0, 3, 1, 2)
    (top, bottom), (left, right) = pads
    if (top, left) != (bottom, right):
        x = functional.pad(x, (left, right, top, bottom))
        top = left = 0
    y = functional.conv2d(
        x,
        weight,
        padding=(top, left),
        dilation=rate,
        groups=x.shape[1] if depthwise else 1,
    )
    return y.permute(0, 2, 3, 1) if data_format == "channels_last" else y
