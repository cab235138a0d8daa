"""Transposed convolution of every channel with one and the same plane."""

import keras
from keras import ops

from keras_seg.ops.cells import merge_cells
from keras_seg.ops.cells import reaching_windows
from keras_seg.ops.dtypes import as_floats
from keras_seg.ops.formats import spatial_axes

__all__ = ["spread_plane"]


def spread_plane(x, plane, strides, *, data_format="channels_last"):
    """Lays a plane, times the value, over every position; sums the overlap.

    A transposed convolution whose kernel holds `plane` on the diagonal of the
    channels and zeros elsewhere, without the arithmetic of the zeros.

    Args:
        x: tensor of maps, rank 4.
        plane: tensor `(rows, columns)`, at least as large as the strides.
        strides: pair of ints, the distance of two positions in the result.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Maps of the dtype of `x`, floats for integers and booleans, without
        a crop: a side of n becomes `(n - 1) · stride + k` for a side of k of
        the plane.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> y = spread_plane(x, np.array([[1.0, 2.0, 3.0]]), (1, 2))
    >>> [float(v) for v in np.ravel(y)]
    [1.0, 2.0, 5.0, 4.0, 6.0]
    """
    x = as_floats(x)
    plane = ops.cast(plane, x.dtype)
    if keras.config.backend() == "torch":
        return _torch_spread(x, plane, strides, data_format)
    shape, kernel_size = ops.shape(x), plane.shape
    reach, cells, size = [], [], []
    for axis, k, s in zip(
        spatial_axes(data_format), kernel_size, strides, strict=True
    ):
        reach.append(-(-k // s))
        cells.append(shape[axis] - 1 + reach[-1])
        size.append((shape[axis] - 1) * s + k)
    # The plane in pieces of a cell, the missing taps zero.
    pads = [
        (0, n * s - k)
        for n, s, k in zip(reach, strides, kernel_size, strict=True)
    ]
    pieces = ops.reshape(
        ops.pad(plane, pads), (reach[0], strides[0], reach[1], strides[1])
    )
    total = 0.0
    for (down, across), values in reaching_windows(
        x, reach, cells, data_format
    ):
        # One piece for all images, cells and channels.
        piece = ops.expand_dims(pieces[down, :, across], 1)
        if data_format == "channels_last":
            piece = ops.expand_dims(piece, -1)
        total = total + values * piece
    return merge_cells(total, size, data_format)


def _torch_spread(x, plane, strides, data_format):
    from torch.nn.functional import conv_transpose2d

    last = data_format == "channels_last"
    x = x.permute(0, 3, 1, 2) if last else x
    channels = x.shape[1]
    y = conv_transpose2d(
        x,
        plane.expand(channels, 1, *plane.shape),
        stride=strides,
        groups=channels,
    )
    return y.permute(0, 2, 3, 1) if last else y
