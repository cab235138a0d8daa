"""Bilinear resizing, by a factor or to the size of another map; cropping."""

import operator
from typing import Any

import keras
from keras import ops

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_positive
from keras_seg.arguments import fitted_size
from keras_seg.arguments import pair_of
from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.resize import resize

__all__ = [
    "AlignedScale",
    "BilinearUpsampling",
    "CropLike",
    "ResizeLike",
    "ShrinkToFit",
]


@keras.saving.register_keras_serializable(package="keras_seg")
class BilinearUpsampling(SpatialLayer):
    """Enlarges maps by a factor, by bilinear interpolation.

    Args:
        factor: int or pair of ints, for the rows and the columns.
        align_corners: bool, whether the centers of the corner pixels stay in
            the corners: see `keras_seg.ops.resize`. Defaults to False.
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
    >>> y = np.asarray(BilinearUpsampling(2)(x))
    >>> [float(v) for v in y[0, 0, :, 0]]
    [1.0, 1.25, 1.75, 2.0]
    """

    def __init__(
        self,
        factor: int | tuple[int, int],
        align_corners: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.factor = pair_of("factor", factor)
        self.align_corners = bool(align_corners)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        shape = ops.shape(inputs)
        rows, columns = self.spatial_axes
        size = (shape[rows] * self.factor[0], shape[columns] * self.factor[1])
        return resize(
            ops.cast(inputs, self.compute_dtype),
            size,
            align_corners=self.align_corners,
            data_format=self.data_format,
        )

    def compute_output_shape(self, input_shape):
        return self.with_sizes(input_shape, operator.mul, self.factor)


class _Like(SpatialLayer):
    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.input_spec = None

    def _size(self, reference: keras.KerasTensor) -> tuple:
        shape = ops.shape(reference)
        return tuple(shape[axis] for axis in self.spatial_axes)

    def compute_output_shape(self, inputs_shape, reference_shape):
        sizes = [reference_shape[axis] for axis in self.spatial_axes]
        return self.with_spatial_shape(inputs_shape, *sizes)


@keras.saving.register_keras_serializable(package="keras_seg")
class ResizeLike(_Like):
    """Resizes maps to the size of others, by bilinear interpolation.

    Args:
        align_corners: bool, whether the centers of the corner pixels stay in
            the corners: see `keras_seg.ops.resize`. Defaults to False.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: the maps.
        reference: maps of any number of channels, of the size wanted.

    Input shape:
        `(batch, height, width, channels)` each, for `"channels_last"`.

    Output shape:
        The batch and the channels of `inputs`, the size of `reference`.

    Example:

    >>> import numpy as np
    >>> x, picture = np.zeros((1, 2, 2, 5)), np.zeros((1, 33, 41, 3))
    >>> tuple(ResizeLike()(x, picture).shape)
    (1, 33, 41, 5)
    """

    def __init__(
        self,
        align_corners: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.align_corners = bool(align_corners)

    def call(
        self, inputs: keras.KerasTensor, reference: keras.KerasTensor
    ) -> keras.KerasTensor:
        return resize(
            ops.cast(inputs, self.compute_dtype),
            self._size(reference),
            align_corners=self.align_corners,
            data_format=self.data_format,
        )


@keras.saving.register_keras_serializable(package="keras_seg")
class CropLike(_Like):
    """Crops maps to the size of others, from an offset, as Caffe does.

    Args:
        offset: int, at least 0, rows cropped at the top and columns cropped
            at the left. Defaults to 0.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: the maps, at least `offset` longer than the reference.
        reference: maps of any number of channels, of the size wanted.

    Input shape:
        `(batch, height, width, channels)` each, for `"channels_last"`.

    Output shape:
        The batch and the channels of `inputs`, the size of `reference`.

    Raises:
        ValueError: If `offset` is not an integer of at least 0, or the
            maps are known to be too small.

    Example:

    >>> import numpy as np
    >>> x, picture = np.zeros((1, 64, 64, 5)), np.zeros((1, 33, 41, 3))
    >>> tuple(CropLike(offset=19)(x, picture).shape)
    (1, 33, 41, 5)
    """

    keeps_integers = True

    def __init__(
        self, offset: int = 0, data_format: str | None = None, **kwargs: Any
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_integer(0, offset=offset)
        self.offset = offset

    def build(self, inputs_shape, reference_shape):
        for axis in self.spatial_axes:
            have, want = inputs_shape[axis], reference_shape[axis]
            if None not in (have, want) and have < want + self.offset:
                raise ValueError(
                    f"Maps of {have} positions can't be cropped to {want} "
                    f"from offset {self.offset}. Received: inputs_shape="
                    f"{tuple(inputs_shape)}, reference_shape="
                    f"{tuple(reference_shape)}"
                )
        self.built = True

    def call(
        self, inputs: keras.KerasTensor, reference: keras.KerasTensor
    ) -> keras.KerasTensor:
        window = [slice(None)] * 4
        for axis, size in zip(
            self.spatial_axes, self._size(reference), strict=True
        ):
            window[axis] = slice(self.offset, self.offset + size)
        return inputs[tuple(window)]


@keras.saving.register_keras_serializable(package="keras_seg")
class AlignedScale(SpatialLayer):
    """Scales maps as Caffe's `Interp` does, with aligned corners.

    A side of n positions becomes `floor((n - 1) · scale) + 1`: DeepLab's 321
    at 0.75 is 241, at 0.5 it is 161.

    Args:
        factor: float above 0.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        The same with scaled sides.

    Raises:
        ValueError: If `factor` is not a number above 0.

    Example:

    >>> import numpy as np
    >>> tuple(AlignedScale(0.75)(np.zeros((1, 321, 5, 3))).shape)
    (1, 241, 4, 3)
    """

    renamed = {"scale": "factor"}

    def __init__(
        self, factor: float, data_format: str | None = None, **kwargs: Any
    ):
        super().__init__(data_format=data_format, **kwargs)
        number = isinstance(factor, int | float) and factor is not True
        if not number or not 0 < factor < float("inf"):
            raise ValueError(
                "`factor` must be a number above 0. "
                f"Received: factor={factor!r}"
            )
        self.factor = factor

    def _scaled(self, size: Any) -> Any:
        if isinstance(size, int):
            return int((size - 1) * self.factor) + 1
        scaled = ops.floor(ops.cast(size - 1, "float32") * self.factor)
        return ops.cast(scaled, "int32") + 1

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        shape = ops.shape(inputs)
        size = [self._scaled(shape[axis]) for axis in self.spatial_axes]
        x = ops.cast(inputs, self.compute_dtype)
        return resize(x, size, align_corners=True, data_format=self.data_format)

    def compute_output_shape(self, input_shape):
        return self.with_sizes(input_shape, self._scaled)


@keras.saving.register_keras_serializable(package="keras_seg")
class ShrinkToFit(SpatialLayer):
    """Shrinks images whose longer side is too long; others stay as they are.

    Bilinear, with antialiasing: to 1e-3 what Pillow's `BILINEAR` gives before
    it rounds.

    Args:
        longest_side: int, pixels.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second for
        `data_format="channels_first"`.

    Output shape:
        The same with sides of `keras_seg.arguments.fitted_size`.

    Raises:
        ValueError: If `longest_side` is not an int of 1 or more.

    Example:

    >>> import numpy as np
    >>> tuple(ShrinkToFit(480)(np.zeros((1, 2700, 3600, 3))).shape)
    (1, 360, 480, 3)
    """

    def __init__(
        self, longest_side: int, data_format: str | None = None, **kwargs: Any
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_positive(longest_side=longest_side)
        self.longest_side = longest_side

    def call(self, inputs):
        inputs = ops.cast(inputs, self.compute_dtype)
        shape = ops.shape(inputs)
        sides = [shape[axis] for axis in self.spatial_axes]
        known = all(isinstance(side, int) for side in sides)
        maximum = max if known else ops.maximum
        size = fitted_size(sides, self.longest_side, maximum)
        if known and list(size) == sides:
            return inputs
        return resize(
            inputs, size, antialias=True, data_format=self.data_format
        )

    def compute_output_shape(self, input_shape):
        sides = [input_shape[axis] for axis in self.spatial_axes]
        if None in sides:
            return self.with_spatial_shape(input_shape, None, None)
        size = fitted_size(sides, self.longest_side)
        return self.with_spatial_shape(input_shape, *size)
