"""Upsampling by whole factors: bed of nails, nearest, bilinear kernels."""

import operator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seg.arguments import check_one_of
from keras_seg.arguments import check_positive
from keras_seg.arguments import pair_of
from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.upsampling import bed_of_nails
from keras_seg.ops.upsampling import depthwise_conv_transpose
from keras_seg.ops.upsampling import nearest_upsampling

__all__ = [
    "BedOfNails",
    "BilinearConvTranspose",
    "BilinearInitializer",
    "NearestUpsampling",
]


class _Cells(SpatialLayer):
    keeps_integers = True
    renamed = {"size": "factor"}

    def __init__(
        self,
        factor: int | tuple[int, int] = 2,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.factor = pair_of("factor", factor)

    def compute_output_shape(self, input_shape):
        return self.with_sizes(input_shape, operator.mul, self.factor)


@keras.saving.register_keras_serializable(package="keras_seg")
class BedOfNails(_Cells):
    """Zero-insertion upsampling: a value at the top left of each cell of zeros.

    Padded, and followed by a convolution of stride 1 with the kernel flipped in
    both directions, it is a transposed convolution of stride `factor`. A side
    of k of the kernel takes `k - 1` zeros in front and `max(k - factor, 0)`
    behind, where the last cell has brought some: see the second example.

    Args:
        factor: int or pair of ints, rows and columns of a cell. Defaults to 2.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        Each side times the factor.

    Raises:
        ValueError: If a factor is below 1 or not an integer.

    Example:

    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> np.asarray(BedOfNails(2)(x))[0, 2, :, 0].tolist()
    [3.0, 0.0, 4.0, 0.0]

    A transposed convolution, and the same from the cells of zeros:

    >>> from keras import ops
    >>> x = np.float32([[4, 2], [1, 5]]).reshape(1, 2, 2, 1)
    >>> kernel = np.float32([[2, 4], [-4, -2]]).reshape(2, 2, 1, 1)
    >>> y = np.asarray(ops.conv_transpose(x, kernel, strides=2))
    >>> y[0, :, :, 0].astype(int).tolist()
    [[8, 16, 4, 8], [-16, -8, -8, -4], [2, 4, 10, 20], [-4, -2, -20, -10]]
    >>> nails = ops.pad(BedOfNails(2)(x), [(0, 0), (1, 0), (1, 0), (0, 0)])
    >>> same = ops.conv(nails, kernel[::-1, ::-1].copy(), padding="valid")
    >>> np.array_equal(same, y)
    True
    """

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return bed_of_nails(inputs, self.factor, data_format=self.data_format)


@keras.saving.register_keras_serializable(package="keras_seg")
class NearestUpsampling(_Cells):
    """Nearest-neighbor upsampling: repeats each value over a cell.

    Args:
        factor: int or pair of ints, rows and columns of a cell. Defaults to 2.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        Each side times the factor.

    Raises:
        ValueError: If a factor is below 1 or not an integer.

    Example:

    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> np.asarray(NearestUpsampling(2)(x))[0, 2, :, 0].tolist()
    [3.0, 3.0, 4.0, 4.0]
    """

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return nearest_upsampling(
            inputs, self.factor, data_format=self.data_format
        )


@keras.saving.register_keras_serializable(package="keras_seg")
class BilinearInitializer(keras.initializers.Initializer):
    """Initializes transposed convolutions to bilinear interpolation.

    For a side of k, with `f = floor((k + 1) / 2)` and the center
    `c = (k - 1) / 2` for even k, `f - 1` for odd,

        w(i) = 1 - |i - c| / f

    and the product of two such rows. It enlarges by f where the kernel moves
    by f. Each output channel takes the input channel of its number and no
    other. Reference:

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1411.4038), `surgery.py` of its code

    Call arguments:
        shape: `(rows, columns)` of one plane, or `(rows, columns, outputs,
            inputs)` as Keras has kernels of transposed convolutions.
        dtype: of the kernel. Defaults to the Keras setting.

    Raises:
        ValueError: for other shapes.

    Example:

    >>> import numpy as np
    >>> np.asarray(BilinearInitializer()((1, 4))).tolist()
    [[0.25, 0.75, 0.75, 0.25]]
    """

    def __call__(
        self, shape: Sequence[int], dtype: str | None = None
    ) -> keras.KerasTensor:
        if len(shape) not in (2, 4):
            raise ValueError(
                "A bilinear kernel has two axes or four. "
                f"Received: shape={tuple(shape)}"
            )
        kernel = np.outer(_weights(shape[0]), _weights(shape[1]))
        if len(shape) == 4:
            diagonal = np.eye(shape[2], shape[3])
            kernel = kernel[:, :, None, None] * diagonal
        return ops.convert_to_tensor(
            kernel.astype("float32"), dtype=dtype or keras.config.floatx()
        )


def _weights(size: int) -> np.ndarray:
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 else factor - 0.5
    return 1 - np.abs(np.arange(size) - center) / factor


@keras.saving.register_keras_serializable(package="keras_seg")
class BilinearConvTranspose(SpatialLayer):
    """Bilinear upsampling by a transposed convolution, as in FCN.

    The kernel is that of `BilinearInitializer`; there is no bias. Inside the
    map this is bilinear interpolation with half-pixel centers; towards the
    border values fade, as outside is zero. A fixed layer has one plane of
    weights for all channels. A trainable one begins with that plane on the
    diagonal of a full kernel.

    Args:
        filters: int, output channels, which must be the channels of the
            input. Defaults to these.
        factor: int or pair of ints, the strides. Defaults to 2.
        kernel_size: int or pair of ints, at least `factor`. Defaults to
            `2 · factor - factor % 2`: 4, 16, 32 and 64 for FCN's factors 2,
            8, 16 and 32; odd for an odd factor, or the maps would shift by
            half a pixel.
        padding: `"same"`, cropped on both sides to `n · factor`; or
            `"valid"`, all of it, `(n - 1) · factor + kernel_size`, for FCN's
            crops (`CropLike`). Defaults to `"same"`.
        per_channel: bool, whether one fixed plane serves all channels.
            Defaults to None, where `trainable` is False.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        trainable: bool, whether the kernel is learned. Defaults to False.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        Each side n becomes `n · factor` with `padding="same"` and
        `(n - 1) · factor + kernel_size` with `"valid"`.

    Raises:
        ValueError: for numbers below 1, a kernel smaller than the factor,
            or another number of channels than of filters.

    Example:

    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> y = BilinearConvTranspose(factor=2)(x)
    >>> np.asarray(y)[0, 1, :, 0].tolist()
    [1.125, 1.75, 2.25, 1.875]
    """

    def __init__(
        self,
        filters: int | None = None,
        factor: int | tuple[int, int] = 2,
        kernel_size: int | tuple[int, int] | None = None,
        padding: str = "same",
        per_channel: bool | None = None,
        data_format: str | None = None,
        trainable: bool = False,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, trainable=trainable, **kwargs)
        if filters is not None:
            check_positive(filters=filters)
        self.filters = filters
        self.factor = pair_of("factor", factor)
        self.kernel_size = (
            tuple(2 * s - s % 2 for s in self.factor)
            if kernel_size is None
            else pair_of("kernel_size", kernel_size)
        )
        if any(
            k < s for k, s in zip(self.kernel_size, self.factor, strict=True)
        ):
            raise ValueError(
                "`kernel_size` must be at least `factor`, or positions would "
                f"stay empty. Received: kernel_size={self.kernel_size}, "
                f"factor={self.factor}"
            )
        check_one_of(("valid", "same"), padding=padding)
        self.padding = padding
        self.per_channel = not trainable if per_channel is None else per_channel

    def build(self, input_shape):
        channels = input_shape[self.channel_axis]
        if channels is None or self.filters not in (None, channels):
            raise ValueError(
                "The channels of the maps must be known and as many as "
                f"`filters`. Received: filters={self.filters}, "
                f"input_shape={tuple(input_shape)}"
            )
        full = () if self.per_channel else (channels, channels)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, *full),
            initializer=BilinearInitializer(),
            trainable=not self.per_channel,
        )
        self.built = True

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        inputs = ops.cast(inputs, self.compute_dtype)
        if self.per_channel:
            spread = depthwise_conv_transpose(
                inputs, self.kernel, self.factor, data_format=self.data_format
            )
        else:
            spread = ops.conv_transpose(
                inputs,
                self.kernel,
                self.factor,
                padding="valid",
                data_format=self.data_format,
            )
        if self.padding == "valid":
            return spread
        shape = ops.shape(inputs)
        window = [slice(None)] * 4
        for axis, k, s in zip(
            self.spatial_axes, self.kernel_size, self.factor, strict=True
        ):
            first = (k - s) // 2
            window[axis] = slice(first, first + shape[axis] * s)
        return spread[tuple(window)]

    def compute_output_shape(self, input_shape):
        if self.padding == "same":
            return self.with_sizes(input_shape, operator.mul, self.factor)
        return self.with_sizes(
            input_shape,
            lambda n, k, s: (n - 1) * s + k,
            self.kernel_size,
            self.factor,
        )
