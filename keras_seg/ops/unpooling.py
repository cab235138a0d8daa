"""Max-unpooling: values back to where the maxima were."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_seg.ops.backend import booleans_as_bytes
from keras_seg.ops.backend import check_integers
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import torch_can
from keras_seg.ops.padding import ceil_division
from keras_seg.ops.pooling import positions
from keras_seg.ops.upsampling import merge_cells
from keras_seg.ops.upsampling import reaching_windows

__all__ = [
    "check_unpooling",
    "indices_from_tensorflow",
    "indices_to_tensorflow",
    "max_unpool",
]


@booleans_as_bytes
def max_unpool(
    pooled: Any,
    indices: Any,
    pool_size: Sequence[int],
    strides: Sequence[int] | None = None,
    size: Sequence[Any] | None = None,
    *,
    data_format: str = "channels_last",
) -> Any:
    """Puts values back where the maxima were, and zeros elsewhere.

    Where windows overlap, two of them may point at one position: the later
    one in raster order is written over the earlier. The gradient of a value
    is the gradient at its position, or zero if it was overwritten; none
    flows into the indices.

    Args:
        pooled: tensor of maps, rank 4.
        indices: integer tensor of the same shape, the indices from
            `keras_seg.ops.max_pool_with_indices`.
        pool_size: pair of ints, of the pooling.
        strides: pair of ints, of the pooling. Defaults to `pool_size`.
        size: `(height, width)` of the map that was pooled, ints or integer
            tensors. Defaults to the size that the windows fill exactly,
            `(n - 1) · stride + pool_size`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Maps of the given size, of the dtype of `pooled`.

    Raises:
        ValueError: if the shapes differ, the indices are no integers, or
            the windows don't belong to a map of that size.

    Example:

    >>> import numpy as np
    >>> values = np.array([10.0, 20.0]).reshape(1, 1, 2, 1)
    >>> indices = np.array([1, 5], "int32").reshape(1, 1, 2, 1)
    >>> y = max_unpool(values, indices, (2, 2), size=(2, 3))
    >>> np.asarray(y)[0, :, :, 0].tolist()
    [[0.0, 10.0, 0.0], [0.0, 0.0, 20.0]]
    """
    pooled = ops.convert_to_tensor(pooled)
    indices = ops.convert_to_tensor(indices)
    strides = pool_size if strides is None else strides
    counts = [ops.shape(pooled)[axis] for axis in spatial_axes(data_format)]
    if size is None:
        size = [
            (n - 1) * s + k
            for n, k, s in zip(counts, pool_size, strides, strict=True)
        ]
    check_unpooling(pooled, indices, pool_size, strides, size, data_format)
    reach = [
        ceil_division(k, s) for k, s in zip(pool_size, strides, strict=True)
    ]
    if reach == [1, 1] and torch_can(pooled):
        return _torch_unpool(
            pooled, indices, pool_size, strides, size, data_format
        )
    cells = [ceil_division(n, s) for n, s in zip(size, strides, strict=True)]
    # Indices counted from the first position of their window.
    indices = ops.cast(indices, "int32")
    local = indices - positions(counts, strides, size[1], data_format)
    result = ops.cast(0, pooled.dtype)
    for (back, value), (_, switch) in zip(
        reaching_windows(pooled, reach, cells, data_format),
        reaching_windows(local, reach, cells, data_format, outside=-1),
        strict=True,
    ):
        rows, columns = (
            ops.arange(n * s, (n + 1) * s, dtype="int32")
            for n, s in zip(back, strides, strict=True)
        )
        places = ops.reshape(rows * size[1], (-1, 1, 1)) + columns
        if data_format == "channels_last":
            places = ops.expand_dims(places, -1)
        result = ops.where(ops.equal(switch, places), value, result)
    return merge_cells(result, size, data_format)


def check_unpooling(pooled, indices, pool_size, strides, size, data_format):
    """Checks that maps can be un-pooled, as far as shapes are known.

    Args:
        pooled: tensor or symbolic tensor of maps, rank 4.
        indices: the same, of integers.
        pool_size: pair of ints, of the pooling.
        strides: pair of ints, of the pooling.
        size: `(height, width)` of the map that was pooled; what is no int is
            not checked.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if the shapes differ, the indices are no integers, or
            the windows don't belong to a map of that size.
    """
    shape, other = tuple(pooled.shape), tuple(indices.shape)
    if len(shape) != len(other) or any(
        None not in pair and pair[0] != pair[1]
        for pair in zip(shape, other, strict=True)
    ):
        raise ValueError(
            "The indices must have the shape of the pooled maps. "
            f"Received: pooled of shape {shape}, indices of shape {other}"
        )
    check_integers("indices", indices)
    for axis, k, s, n in zip(
        spatial_axes(data_format), pool_size, strides, size, strict=True
    ):
        windows = shape[axis]
        if windows is None or not isinstance(n, int):
            continue
        # Rounding up cuts a window off, rounding down leaves positions over.
        last = (windows - 1) * s
        least = max(last - s + k, last) + 1 if windows > 1 else 1
        limit = last + k + s - 1
        if not least <= n <= limit:
            raise ValueError(
                f"Indices of {windows} windows of {k} with stride {s} do not "
                f"fit {n} positions, only {least} to {limit}. "
                f"Received: size={tuple(size)}, pooled of shape {shape}"
            )


def _torch_unpool(pooled, indices, pool_size, strides, size, data_format):
    from torch.nn.functional import max_unpool2d

    indices = ops.cast(indices, "int64")
    if data_format == "channels_first":
        return max_unpool2d(
            pooled, indices, pool_size, strides, output_size=size
        )
    x = max_unpool2d(
        pooled.permute(0, 3, 1, 2),
        indices.permute(0, 3, 1, 2),
        pool_size,
        strides,
        output_size=size,
    )
    return x.permute(0, 2, 3, 1)


def indices_from_tensorflow(
    indices: Any,
    include_batch_in_index: bool = False,
    size: Sequence[int] | None = None,
) -> Any:
    """Pooling indices from those of `tf.nn.max_pool_with_argmax`.

    TensorFlow counts the channels too: `(y · W + x) · C + c`, and with
    `include_batch_in_index` the images, `((b · H + y) · W + x) · C + c`.
    `torch.nn.functional.max_pool2d` counts as this package does, in
    channels-first maps.

    Args:
        indices: integer tensor `(batch, height, width, channels)`.
        include_batch_in_index: bool, as it was given to TensorFlow.
        size: `(height, width)` of the maps that were pooled; needed with
            `include_batch_in_index`.

    Returns:
        Indices `y · W + x`, int32, of the same shape.

    Raises:
        ValueError: if `size` is missing, or they are no integers.

    Example:

    >>> import numpy as np
    >>> indices = np.array([2, 11]).reshape(1, 1, 1, 2)
    >>> [int(v) for v in np.ravel(indices_from_tensorflow(indices))]
    [1, 5]
    """
    indices = ops.convert_to_tensor(indices)
    check_integers("indices", indices)
    channels = ops.shape(indices)[3]
    if include_batch_in_index:
        indices = indices % _image_size(size, channels)
    return ops.cast(indices // channels, "int32")


def indices_to_tensorflow(
    indices: Any,
    include_batch_in_index: bool = False,
    size: Sequence[int] | None = None,
) -> Any:
    """Pooling indices as `tf.nn.max_pool_with_argmax` gives them.

    The inverse of `keras_seg.ops.indices_from_tensorflow`.

    Args:
        indices: integer tensor `(batch, height, width, channels)`.
        include_batch_in_index: bool, whether the images are counted too.
        size: `(height, width)` of the maps that were pooled; needed with
            `include_batch_in_index`.

    Returns:
        Indices, int32, of the same shape.

    Raises:
        ValueError: if `size` is missing, or they are no integers.

    Example:

    >>> import numpy as np
    >>> indices = np.array([1, 5], "int32").reshape(1, 1, 1, 2)
    >>> [int(v) for v in np.ravel(indices_to_tensorflow(indices))]
    [2, 11]
    """
    indices = ops.convert_to_tensor(indices)
    check_integers("indices", indices)
    indices = ops.cast(indices, "int32")
    batch, _, _, channels = ops.shape(indices)
    indices = indices * channels + ops.arange(channels, dtype="int32")
    if include_batch_in_index:
        images = ops.arange(batch, dtype="int32")
        images = images * _image_size(size, channels)
        indices = indices + ops.reshape(images, (-1, 1, 1, 1))
    return indices


def _image_size(size, channels):
    if size is None:
        raise ValueError(
            "Indices that include the batch need the size of the maps that "
            "were pooled. Received: include_batch_in_index=True, size=None"
        )
    return size[0] * size[1] * channels
