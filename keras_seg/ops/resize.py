"""Resizing, exact and differentiable, to any size."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_seg.ops.backend import as_floats
from keras_seg.ops.backend import on_cpu
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import torch_can

__all__ = ["resize"]


def resize(
    x: Any,
    size: Sequence[Any],
    *,
    align_corners: bool = False,
    antialias: bool = False,
    interpolation: str = "bilinear",
    data_format: str = "channels_last",
) -> Any:
    """Resizes maps to `size` by bilinear or bicubic interpolation.

    Interpolation is linear in the map, and separable: two products with
    matrices of the weights, `max(0, 1 - |source - i|)` of the bilinear one,
    one for the rows and one for the columns. So the gradient is a product as
    well, the same from run to run, and a size known only at run time costs
    nothing extra. On a CPU, PyTorch's own function does the same
    faster, and JAX sums the two rows whose weights are not zero.
    Shrinking does not smooth first, as in Caffe and the papers, unless
    `antialias` widens the triangle of the weights to the shrinking factor
    n / m, as Pillow's `BILINEAR` does.

    Position `d` of the result comes from the position

        (d + 1/2) · n / m - 1/2             clipped to the map
        d · (n - 1) / (m - 1)               with `align_corners`

    of a map with n positions, for m new ones.

    Args:
        x: tensor `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        size: `(height, width)`, ints or integer tensors, at least 1.
        align_corners: bool, whether the corner pixels' centers stay where
            they are (Caffe's `Interp`, DeepLab in TensorFlow), instead of
            the corners of the picture.
        antialias: bool, whether every position of a larger map counts. Not
            with `align_corners`.
        interpolation: `"bilinear"`, or `"bicubic"`, PyTorch's: the four
            nearest positions, those of the border repeated, by Keys's kernel
            with a = -0.75. Without the two options above.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The resized maps, of the dtype of `x`; those of integers and
        booleans are floats.

    Example:

    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0]]).reshape(1, 1, 2, 1)
    >>> resized = resize(x, (1, 4))
    >>> [float(v) for v in np.ravel(resized)]
    [1.0, 1.25, 1.75, 2.0]
    """
    x = as_floats(x)
    bicubic = interpolation == "bicubic"
    if torch_can(x) and not bicubic:
        return _torch_resize(x, size, align_corners, antialias, data_format)
    rows, columns = spatial_axes(data_format)
    shape = ops.shape(x)
    down, across = (
        _cubic_weights(shape[axis], new, x.dtype)
        if bicubic
        else _smooth_weights(shape[axis], new, x.dtype)
        if antialias
        else _weights(shape[axis], _source(shape[axis], new, align_corners), x)
        for axis, new in zip((rows, columns), size, strict=True)
    )
    if data_format == "channels_first":
        return ops.matmul(ops.matmul(down, x), ops.transpose(across))
    batch, channels = shape[0], shape[3]
    if antialias:  # Which shrinks: rows first, to be fewer for the columns.
        x = ops.reshape(x, (batch, shape[1], shape[2] * channels))
        x = ops.reshape(
            ops.matmul(down, x), (batch, size[0], shape[2], channels)
        )
        return ops.matmul(across, x)
    # The last product is the largest, and one for all columns and channels.
    x = ops.reshape(
        ops.matmul(across, x), (batch, shape[1], size[1] * channels)
    )
    if keras.config.backend() == "jax" and not bicubic and on_cpu(x):
        from keras_seg.ops.jax_resize import blend_rows

        x = blend_rows(x, _source(shape[1], size[0], align_corners), down)
    else:
        x = ops.matmul(down, x)
    return ops.reshape(x, (batch, size[0], size[1], channels))


def _source(old, new, align_corners):
    """Where in the old map each of the new positions lies."""
    position = ops.cast(ops.arange(new), "float32")
    limit = ops.cast(old, "float32") - 1.0
    if align_corners:
        steps = ops.maximum(ops.cast(new, "float32") - 1.0, 1.0)
        return position * (limit / steps)
    scale = ops.cast(old, "float32") / ops.cast(new, "float32")
    return ops.clip((position + 0.5) * scale - 0.5, 0.0, limit)


def _weights(old, source, x):
    """The matrix `(new, old)` of the weights of linear interpolation."""
    neighbor = ops.cast(ops.arange(old), "float32")
    distance = ops.abs(ops.expand_dims(source, 1) - neighbor)
    return ops.cast(ops.maximum(1.0 - distance, 0.0), x.dtype)


def _smooth_weights(old, new, dtype):
    """The weights where each new position is a mean over `old / new`."""
    scale = ops.cast(old, "float32") / ops.cast(new, "float32")
    source = (ops.cast(ops.arange(new), "float32") + 0.5) * scale - 0.5
    neighbor = ops.cast(ops.arange(old), "float32")
    distance = ops.abs(ops.expand_dims(source, 1) - neighbor)
    weights = ops.maximum(1.0 - distance / ops.maximum(scale, 1.0), 0.0)
    return ops.cast(weights / ops.sum(weights, 1, keepdims=True), dtype)


def _cubic_weights(old, new, dtype):
    """The weights of the four nearest positions, the border repeated."""
    scale = ops.cast(old, "float32") / ops.cast(new, "float32")
    source = (ops.cast(ops.arange(new), "float32") + 0.5) * scale - 0.5
    first = ops.floor(source)
    limit = ops.cast(old, "float32") - 1.0
    position = ops.cast(ops.arange(old), "float32")
    weights = 0.0
    for tap in (-1.0, 0.0, 1.0, 2.0):
        x = ops.abs(source - (first + tap))
        near = (1.25 * x - 2.25) * x * x + 1.0
        far = ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0
        weight = ops.where(x < 1.0, near, far)
        place = ops.clip(first + tap, 0.0, limit)
        is_there = ops.equal(ops.expand_dims(place, 1), position)
        weights += ops.expand_dims(weight, 1) * ops.cast(is_there, "float32")
    return ops.cast(weights, dtype)


def _torch_resize(x, size, align_corners, antialias, data_format):
    from torch.nn.functional import interpolate

    last = data_format == "channels_last"
    wide = x.float() if antialias else x  # It has none for half precision.
    y = interpolate(
        wide.permute(0, 3, 1, 2) if last else wide,
        [int(n) for n in size],
        mode="bilinear",
        align_corners=align_corners,
        antialias=antialias,
    ).to(x.dtype)
    return y.permute(0, 2, 3, 1) if last else y
