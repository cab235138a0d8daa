"""Pooling with holes, for networks whose strides have been removed."""

import keras
from keras import ops

from keras_seg.layers.removed_stride import RemovedStride
from keras_seg.ops.backend import lowest
from keras_seg.ops.pooling import max_pool
from keras_seg.ops.pooling import sum_pool

__all__ = ["AtrousAveragePool", "AtrousMaxPool"]


class _AtrousPool(RemovedStride):
    kernel_name = "pool_size"

    def __init__(
        self,
        pool_size,
        rate=1,
        padding="valid",
        removed_stride=1,
        padded=0,
        data_format=None,
        **kwargs,
    ):
        super().__init__(
            pool_size,
            removed_stride,
            rate,
            padding,
            padded,
            data_format,
            **kwargs,
        )

    @property
    def pool_size(self):
        return self._kernel_size

    def compute_output_shape(self, input_shape):
        padded_shape = super().compute_output_shape(input_shape)
        sizes = [
            padded_shape[axis]
            and max(padded_shape[axis] - (size - 1) * self.rate, 0)
            for axis, size in zip(
                self.spatial_axes, self.pool_size, strict=True
            )
        ]
        return self.with_spatial_shape(input_shape, *sizes)


@keras.saving.register_keras_serializable(package="keras_seg")
class AtrousMaxPool(_AtrousPool):
    """Maximum over windows whose taps are `rate` positions apart.

    What a max pooling becomes when a stride before it, or its own, is
    removed: the window keeps its taps and spreads them, the stride is 1.

    Args:
        pool_size: int or pair of ints, taps of the window.
        rate: int, distance of neighboring taps. Defaults to 1.
        padding: `"valid"`, or `"same"`: padded by minus infinity to keep the
            size. Defaults to `"valid"`.
        removed_stride: int, the stride the pooling had: see
            `keras_seg.ops.removed_stride_padding`. Defaults to 1.
        padded: int or pair of ints, how many rows and columns of the map
            are explicit padding. Defaults to 0.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second for
        `data_format="channels_first"`.

    Output shape:
        The same with `padding="same"`; with `"valid"` and no stride removed
        each side is shorter by `(pool_size - 1) · rate`.

    Raises:
        ValueError: for sizes, rates and strides below 1.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 1.0, 2.0, 5.0, 4.0]).reshape(1, 1, 5, 1)
    >>> y = AtrousMaxPool((1, 2), rate=2)(x)
    >>> [float(v) for v in np.ravel(y)]
    [3.0, 5.0, 4.0]
    """

    keeps_integers = True

    def call(self, inputs):
        return max_pool(
            self.pad(inputs, lowest(inputs.dtype)),
            self.pool_size,
            self.rate,
            data_format=self.data_format,
        )


@keras.saving.register_keras_serializable(package="keras_seg")
class AtrousAveragePool(_AtrousPool):
    """Mean over windows whose taps are `rate` positions apart.

    What an average pooling becomes when a stride before it, or its own, is
    removed. As in Keras, `padding="same"` takes the mean over the taps that
    lie within the map.

    Args:
        pool_size: int or pair of ints, taps of the window.
        rate: int, distance of neighboring taps. Defaults to 1.
        padding: `"valid"` or `"same"`. Defaults to `"valid"`.
        removed_stride: int, the stride the pooling had: see
            `keras_seg.ops.removed_stride_padding`. Defaults to 1.
        padded: int or pair of ints, how many rows and columns of the map
            are explicit padding. Defaults to 0.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second for
        `data_format="channels_first"`.

    Output shape:
        The same with `padding="same"`; with `"valid"` and no stride removed
        each side is shorter by `(pool_size - 1) · rate`.

    Raises:
        ValueError: for sizes, rates and strides below 1.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 1.0, 2.0, 5.0, 4.0]).reshape(1, 1, 5, 1)
    >>> y = AtrousAveragePool((1, 3), rate=2, padding="same")(x)
    >>> [float(v) for v in np.ravel(y)]
    [2.5, 3.0, 3.0, 3.0, 3.0]
    """

    def call(self, inputs):
        inputs = ops.cast(inputs, self.compute_dtype)
        one_channel = (slice(None),) * self.channel_axis + (slice(1),)
        inside = ops.ones_like(inputs[:1][one_channel])
        return self._sum(inputs) / self._sum(inside)

    def _sum(self, x):
        return sum_pool(
            self.pad(x),
            self.pool_size,
            self.rate,
            data_format=self.data_format,
        )
