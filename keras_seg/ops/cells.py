"""Maps made of the cells of smaller ones, without a scatter.

A window that begins every `stride` positions reaches `ceil(size / stride)`
cells of `stride` positions. So every position of a larger map looks at the
few windows that can reach it, all of them slices of the small map: the same
numbers on every backend, and a gradient that gathers.
"""

from keras import ops

from keras_seg.ops.formats import spatial_axes
from keras_seg.ops.padding import pad_spatial

__all__ = [
    "bed_of_nails",
    "merge_cells",
    "nearest_upsampling",
    "reaching_windows",
]


def bed_of_nails(x, size, *, data_format="channels_last"):
    """Puts every value at the top left of a cell of zeros.

    Args:
        x: tensor of maps, rank 4.
        size: pair of ints, rows and columns of a cell.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Maps `size` times as large, of the dtype of `x`.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> np.asarray(bed_of_nails(x, (2, 2)))[0, :, :, 0].tolist()
    [[1.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    rows = spatial_axes(data_format)[0]
    pads = [(0, 0)] * 6
    pads[rows + 1], pads[rows + 3] = (0, size[0] - 1), (0, size[1] - 1)
    x = ops.expand_dims(ops.convert_to_tensor(x), (rows + 1, rows + 3))
    return merge_cells(ops.pad(x, pads), None, data_format)


def nearest_upsampling(x, size, *, data_format="channels_last"):
    """Fills a cell with every value.

    Args:
        x: tensor of maps, rank 4.
        size: pair of ints, rows and columns of a cell.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Maps `size` times as large, of the dtype of `x`.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> np.asarray(nearest_upsampling(x, (2, 2)))[0, :, :, 0].tolist()
    [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """
    rows = spatial_axes(data_format)[0]
    x = ops.expand_dims(ops.convert_to_tensor(x), (rows + 1, rows + 3))
    shape = list(ops.shape(x))
    shape[rows + 1], shape[rows + 3] = size
    return merge_cells(ops.broadcast_to(x, shape), None, data_format)


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
