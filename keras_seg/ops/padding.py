"""Padding whose amount depends on the size of the map."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_seg.ops.backend import is_portable
from keras_seg.ops.backend import spatial_axes

__all__ = [
    "ceil_division",
    "explicit_same",
    "pad_spatial",
    "removed_stride_padding",
    "windows",
]


def ceil_division(size, step):
    """How many steps it takes to cover a size.

    Not `-(-size // step)`, and nowhere a remainder of a negative number: ONNX
    rounds towards zero, and the converters of graphs pass over it.

    Args:
        size: int or integer tensor, above `-step`.
        step: int, at least 1.

    Example:

    >>> ceil_division(6, 3), ceil_division(7, 3)
    (2, 3)
    """
    return (size + step - 1) // step


def removed_stride_padding(
    size: Any,
    kernel_size: int,
    stride: int,
    dilation_rate: int = 1,
    padding: str = "same",
    padded: int = 0,
) -> tuple[Any, Any]:
    """Padding of a layer whose stride has been removed.

    The map has `dilation_rate` positions for each of the n the strided
    network had, and the layer now runs at stride 1 with its taps as far apart.

    With "same", a layer of stride t padded by `max((ceil(n / t) - 1) · t +
    k - n, 0)`, the smaller half first: the side that gets the odd one
    depends on n. The old first pad, spread by the rate, stays first, and
    what is missing to keep the size goes last.

    With "valid", the last of the `floor((n - k) / t) + 1` windows is followed
    by up to `t · rate - 1` places that it stands for: as many are padded at
    the end as keep the map from shrinking for want of a neighbor. No more,
    or a later layer would see what the strided network never saw.

    Args:
        size: int or integer tensor, the positions the map has now.
        kernel_size: int, k, the holes of the layer itself counted in.
        stride: int, t, the stride the layer had.
        dilation_rate: int, positions of the map for each of the old one.
        padding: `"same"` or `"valid"`.
        padded: int, how many of the positions are explicit padding.

    Returns:
        `(before, after)`.

    Example:

    >>> removed_stride_padding(6, kernel_size=3, stride=2)
    (0, 2)
    >>> removed_stride_padding(7, kernel_size=3, stride=2)
    (1, 1)
    >>> removed_stride_padding(6, kernel_size=2, stride=2, padding="valid")
    (0, 1)
    >>> removed_stride_padding(7, kernel_size=2, stride=2, padding="valid")
    (0, 0)
    """
    least = ops.minimum if ops.is_tensor(size) else min
    most = ops.maximum if ops.is_tensor(size) else max
    old_size = ceil_division(size, dilation_rate)
    if padding == "valid":
        if stride == 1:
            return 0, 0
        windows = (old_size - kernel_size) // stride + 1
        complete = least(windows * stride * dilation_rate, size - padded)
        return 0, most(complete - (size - (kernel_size - 1) * dilation_rate), 0)
    strided_size = ceil_division(old_size, stride)
    total = most((strided_size - 1) * stride + kernel_size - old_size, 0)
    before = total // 2 * dilation_rate
    return before, (kernel_size - 1) * dilation_rate - before


def pad_spatial(
    x: Any,
    height: Sequence[Any],
    width: Sequence[Any],
    data_format: str,
    value: float = 0.0,
) -> Any:
    """Pads the two spatial axes of a batch of maps.

    Args:
        x: tensor `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        height: `(top, bottom)`, ints or integer tensors.
        width: `(left, right)`, ints or integer tensors.
        data_format: `"channels_last"` or `"channels_first"`.
        value: float, what to pad with.

    Returns:
        The padded tensor, of the dtype of `x`.

    Example:

    >>> import numpy as np
    >>> x = np.zeros((1, 2, 3, 1))
    >>> tuple(pad_spatial(x, (0, 1), (2, 2), "channels_last").shape)
    (1, 3, 7, 1)
    """
    spatial = [height, width]
    if data_format == "channels_first":
        pads = [(0, 0), (0, 0), *spatial]
    else:
        pads = [(0, 0), *spatial, (0, 0)]
    if all(isinstance(n, int) and n == 0 for pad in spatial for n in pad):
        return x
    padded = ops.pad(x, pads, constant_values=value)
    known = all(isinstance(n, int) for pad in spatial for n in pad)
    if known or is_portable("onnx", "openvino"):
        return padded
    # After padding by an amount not known yet, TensorFlow Lite knows no size
    # at all, and convolves for no number of channels that it does not know.
    sizes = [n + sum(pad) for n, pad in zip(ops.shape(x), pads, strict=True)]
    return ops.reshape(padded, sizes)


def explicit_same(x, kernel_size, strides, rates, data_format):
    """Pads as a "same" convolution with a stride or holes pads by itself.

    For files of any size: OpenCV 5.0 misreads ONNX's `SAME_UPPER` with a
    stride, without a word, and reads zeros that are padded before. TensorFlow
    cuts a map of unknown size into small ones for holes.

    Args:
        x: tensor of maps, rank 4.
        kernel_size, strides, rates: pairs of ints, of the convolution.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        `(x, padding)`: the padded maps and `"valid"`, or both as they were
        where the zeros are known, or nothing is exported.
    """
    shape = ops.shape(x)
    sizes = [shape[axis] for axis in spatial_axes(data_format)]
    known = all(isinstance(size, int) for size in sizes)
    if known or max(*strides, *rates) == 1 or not is_portable():
        return x, "same"
    (rows, columns), _ = windows(sizes, kernel_size, strides, rates, "same")
    return pad_spatial(x, rows, columns, data_format), "valid"


def windows(sizes, kernel_size, strides, rates, padding):
    """The zeros around a map, and how many windows it then has.

    Args:
        sizes: pair of ints, positions of the map.
        kernel_size: pair of ints.
        strides: pair of ints.
        rates: pair of ints, distances of neighboring taps.
        padding: `"same"`, as Keras pads for that size, or `"valid"`.

    Returns:
        `(pads, counts)`: `((top, bottom), (left, right))` and a pair of ints.

    Example:

    >>> windows((6, 7), (3, 3), (2, 2), (1, 1), "same")
    (((0, 1), (1, 1)), (3, 4))
    """
    pads, counts = zip(
        *(
            _windows(*axis, padding)
            for axis in zip(sizes, kernel_size, strides, rates, strict=True)
        ),
        strict=True,
    )
    return pads, counts


def _windows(size, taps, stride, rate, padding):
    span = (taps - 1) * rate + 1
    if padding == "valid":
        return (0, 0), (size - span) // stride + 1
    most = ops.maximum if ops.is_tensor(size) else max
    count = ceil_division(size, stride)
    # At stride 1 the size plays no part: it may be unknown.
    zeros = (
        most((count - 1) * stride + span - size, 0) if stride > 1 else span - 1
    )
    return (zeros // 2, zeros - zeros // 2), count
