"""Layers for networks whose strides have been removed: padding, pooling."""

from typing import Any

import keras
from keras import ops

from keras_seg.arguments import check_one_of
from keras_seg.arguments import check_positive
from keras_seg.arguments import pair_of
from keras_seg.layers.base import Shape
from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.backend import lowest
from keras_seg.ops.padding import pad_spatial
from keras_seg.ops.padding import removed_stride_padding
from keras_seg.ops.pooling import max_pool
from keras_seg.ops.pooling import sum_pool

__all__ = [
    "AtrousAveragePool",
    "AtrousMaxPool",
    "RemovedStride",
    "RemovedStridePadding",
]


class RemovedStride(SpatialLayer):
    """Pads as a layer that had a stride; its arguments are the subclasses'."""

    kernel_name = "kernel_size"
    renamed = {"rate": "dilation_rate"}

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        removed_stride: int = 1,
        dilation_rate: int = 1,
        padding: str = "same",
        padded: int | tuple[int, int] = 0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self._kernel_size = pair_of(self.kernel_name, kernel_size)
        check_positive(
            removed_stride=removed_stride, dilation_rate=dilation_rate
        )
        self.removed_stride = removed_stride
        self.dilation_rate = dilation_rate
        check_one_of(("valid", "same"), padding=padding)
        self.padding = padding
        self.padded = (padded, padded) if isinstance(padded, int) else padded

    def pads(self, shape: Shape) -> tuple:
        """`((top, bottom), (left, right))`, None where it can't be known."""
        return tuple(
            (None, None)
            if shape[axis] is None
            else removed_stride_padding(
                shape[axis],
                kernel_size,
                self.removed_stride,
                self.dilation_rate,
                self.padding,
                padded,
            )
            for axis, kernel_size, padded in zip(
                self.spatial_axes, self._kernel_size, self.padded, strict=True
            )
        )

    def pad(
        self, x: keras.KerasTensor, value: float = 0.0
    ) -> keras.KerasTensor:
        rows, columns = self.pads(ops.shape(x))
        return pad_spatial(x, rows, columns, self.data_format, value)

    def compute_output_shape(self, input_shape):
        return self.with_sizes(
            input_shape, lambda n, pad: n + sum(pad), self.pads(input_shape)
        )


@keras.saving.register_keras_serializable(package="keras_seg")
class RemovedStridePadding(RemovedStride):
    """Pads with zeros for a convolution whose stride has been removed.

    A "same" convolution with a stride pads the first side of a map by one
    less when the map's size is even. Without its stride it must go on doing
    so, or its outputs would shift by a position. A "valid" one loses the
    places that the last window stood for.
    `keras_seg.ops.removed_stride_padding` has the formulas.

    Args:
        kernel_size: int or pair of ints, of the convolution that follows,
            the holes it had before counted in.
        removed_stride: int, the stride it had. Defaults to 1.
        dilation_rate: int, positions of the map for each of the old one.
            Defaults to 1.
        padding: `"same"` or `"valid"`, of that convolution. Defaults to
            `"same"`.
        padded: int or pair of ints, how many rows and columns of the map
            are explicit padding. Defaults to 0.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        With `padding="same"` each side longer by `(kernel_size - 1) · rate`.

    Raises:
        ValueError: for sizes, strides and rates below 1.

    Example:

    >>> import numpy as np
    >>> x = np.arange(1.0, 5.0).reshape(1, 1, 4, 1)
    >>> y = RemovedStridePadding((1, 3), removed_stride=2)(x)
    >>> [float(v) for v in np.ravel(y)]
    [1.0, 2.0, 3.0, 4.0, 0.0, 0.0]
    """

    keeps_integers = True

    @property
    def kernel_size(self) -> tuple[int, int]:
        return self._kernel_size

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return self.pad(inputs)


class _AtrousPool(RemovedStride):
    kernel_name = "pool_size"

    def __init__(
        self,
        pool_size: int | tuple[int, int],
        dilation_rate: int = 1,
        padding: str = "valid",
        removed_stride: int = 1,
        padded: int | tuple[int, int] = 0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            pool_size,
            removed_stride,
            dilation_rate,
            padding,
            padded,
            data_format,
            **kwargs,
        )

    @property
    def pool_size(self) -> tuple[int, int]:
        return self._kernel_size

    def compute_output_shape(self, input_shape):
        return self.with_sizes(
            super().compute_output_shape(input_shape),
            lambda n, taps: max(n - (taps - 1) * self.dilation_rate, 0),
            self.pool_size,
        )


@keras.saving.register_keras_serializable(package="keras_seg")
class AtrousMaxPool(_AtrousPool):
    """Maximum over windows whose taps are `dilation_rate` positions apart.

    What a max pooling becomes when a stride before it, or its own, is
    removed: the window keeps its taps and spreads them, the stride is 1.

    Args:
        pool_size: int or pair of ints, taps of the window.
        dilation_rate: int, distance of neighboring taps. Defaults to 1.
        padding: `"valid"`, or `"same"`: padded by minus infinity to keep the
            size. Defaults to `"valid"`.
        removed_stride: int, the stride the pooling had: see
            `keras_seg.ops.removed_stride_padding`. Defaults to 1.
        padded: int or pair of ints, how many rows and columns of the map
            are explicit padding. Defaults to 0.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        The same with `padding="same"`; with `"valid"` and no stride removed
        each side is shorter by `(pool_size - 1) · rate`.

    Raises:
        ValueError: for sizes, rates and strides below 1.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 1.0, 2.0, 5.0, 4.0]).reshape(1, 1, 5, 1)
    >>> y = AtrousMaxPool((1, 2), dilation_rate=2)(x)
    >>> [float(v) for v in np.ravel(y)]
    [3.0, 5.0, 4.0]
    """

    keeps_integers = True

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return max_pool(
            self.pad(inputs, lowest(inputs.dtype)),
            self.pool_size,
            self.dilation_rate,
            data_format=self.data_format,
        )


@keras.saving.register_keras_serializable(package="keras_seg")
class AtrousAveragePool(_AtrousPool):
    """Mean over windows whose taps are `dilation_rate` positions apart.

    What an average pooling becomes when a stride before it, or its own, is
    removed. As in Keras, `padding="same"` takes the mean over the taps that
    lie within the map.

    Args:
        pool_size: int or pair of ints, taps of the window.
        dilation_rate: int, distance of neighboring taps. Defaults to 1.
        padding: `"valid"` or `"same"`. Defaults to `"valid"`.
        removed_stride: int, the stride the pooling had: see
            `keras_seg.ops.removed_stride_padding`. Defaults to 1.
        padded: int or pair of ints, how many rows and columns of the map
            are explicit padding. Defaults to 0.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        The same with `padding="same"`; with `"valid"` and no stride removed
        each side is shorter by `(pool_size - 1) · rate`.

    Raises:
        ValueError: for sizes, rates and strides below 1.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 1.0, 2.0, 5.0, 4.0]).reshape(1, 1, 5, 1)
    >>> y = AtrousAveragePool((1, 3), dilation_rate=2, padding="same")(x)
    >>> [float(v) for v in np.ravel(y)]
    [2.5, 3.0, 3.0, 3.0, 3.0]
    """

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        inputs = ops.cast(inputs, self.compute_dtype)
        one_channel = (slice(None),) * self.channel_axis + (slice(1),)
        inside = ops.ones_like(inputs[:1][one_channel])
        return self._sum(inputs) / self._sum(inside)

    def _sum(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return sum_pool(
            self.pad(x),
            self.pool_size,
            self.dilation_rate,
            data_format=self.data_format,
        )
