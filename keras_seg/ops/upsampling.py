"""Enlarging by whole factors, without a scatter.

A window that begins every `stride` positions reaches `ceil(size / stride)`
cells of `stride` positions. So every position of a larger map looks at the
few windows that can reach it, all of them slices of the small map: the same
numbers on every backend, and a gradient that gathers.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_seg.ops.backend import as_floats
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.padding import pad_spatial

__all__ = [
    "bed_of_nails",
    "depthwise_conv_transpose",
    "merge_cells",
    "nearest_upsampling",
    "reaching_windows",
]


def bed_of_nails(
    x: Any, factor: Sequence[int], *, data_format: str = "channels_last"
) -> Any:
    """Puts every value at the top left of a cell of zeros.

    Also called zero-insertion upsampling.

    Args:
        x: tensor of maps, rank 4.
        factor: pair of ints, rows and columns of a cell.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Maps `factor` times as large, of the dtype of `x`.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> np.asarray(bed_of_nails(x, (2, 2)))[0, :, :, 0].tolist()
    [[1.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    rows = spatial_axes(data_format)[0]
    pads = [(0, 0)] * 6
    pads[rows + 1], pads[rows + 3] = (0, factor[0] - 1), (0, factor[1] - 1)
    x = ops.expand_dims(ops.convert_to_tensor(x), (rows + 1, rows + 3))
    return merge_cells(ops.pad(x, pads), None, data_format)


def nearest_upsampling(
    x: Any, factor: Sequence[int], *, data_format: str = "channels_last"
) -> Any:
    """Fills a cell with every value: nearest-neighbor interpolation.

    Args:
        x: tensor of maps, rank 4.
        factor: pair of ints, rows and columns of a cell.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Maps `factor` times as large, of the dtype of `x`.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> np.asarray(nearest_upsampling(x, (2, 2)))[0, :, :, 0].tolist()
    [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """
    rows = spatial_axes(data_format)[0]
    x = ops.expand_dims(ops.convert_to_tensor(x), (rows + 1, rows + 3))
    shape = list(ops.shape(x))
    shape[rows + 1], shape[rows + 3] = factor
    return merge_cells(ops.broadcast_to(x, shape), None, data_format)


def depthwise_conv_transpose(
    x: Any,
    plane: Any,
    strides: Sequence[int],
    *,
    data_format: str = "channels_last",
) -> Any:
    """Transposed convolution of every channel with one and the same plane.

    Equal to `keras.ops.conv_transpose` with a kernel that holds `plane` on the
    diagonal of the channels and zeros elsewhere, without the arithmetic of the
    zeros.

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
    >>> y = depthwise_conv_transpose(x, np.array([[1.0, 2.0, 3.0]]), (1, 2))
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


def reaching_windows(x, reach, cells, data_format, outside=0):
    """For every cell of a larger map, the windows that reach into it.

    Args:
        x: tensor of maps, rank 4, one value for each window.
        reach: pair of ints, how many cells a window covers.
        cells: `(height, width)`, how many cells the larger map has.
        data_format: `"channels_last"` or `"channels_first"`.
        outside: number, the value where there is no window.

    Yields:
        `((i, j), values)`, from the first window in raster order to the last:
        the values of the windows that begin i rows and j columns of cells
        before the cell. They are of shape `(batch, cells, 1, cells, 1,
        channels)`, or with the channels second: maps of cells, to be
        broadcast over the positions of a cell and merged by `merge_cells`.
    """
    axes = spatial_axes(data_format)
    rows, columns = [
        (n - 1, count - ops.shape(x)[axis])
        for axis, n, count in zip(axes, reach, cells, strict=True)
    ]
    x = pad_spatial(x, rows, columns, data_format, outside)
    for down in reversed(range(reach[0])):
        for across in reversed(range(reach[1])):
            seen = [slice(None)] * 4
            for axis, n, count, back in zip(
                axes, reach, cells, (down, across), strict=True
            ):
                seen[axis] = slice(n - 1 - back, n - 1 - back + count)
            values = ops.expand_dims(x[tuple(seen)], (axes[0] + 1, axes[0] + 3))
            yield (down, across), values


def merge_cells(x, size, data_format):
    """Lays a map of cells out, `(…, cells, rows, cells, columns, …)`.

    Args:
        x: tensor of rank 6.
        size: `(height, width)` to crop to, from the top left, or None.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A tensor of maps, rank 4.
    """
    axes = spatial_axes(data_format)
    shape = list(ops.shape(x))
    first = axes[0]
    shape[first : first + 4] = [
        shape[first] * shape[first + 1],
        shape[first + 2] * shape[first + 3],
    ]
    x = ops.reshape(x, shape)
    if size is None:
        return x
    window = [slice(None)] * 4
    for axis, n in zip(axes, size, strict=True):
        window[axis] = slice(n)
    return x[tuple(window)]
