"""Max pooling that also returns where the maxima were, and max unpooling."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_seg.arguments import check_one_of
from keras_seg.arguments import pair_of
from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.pooling import max_pool_with_indices
from keras_seg.ops.pooling import pooled_size
from keras_seg.ops.unpooling import check_unpooling
from keras_seg.ops.unpooling import max_unpool

__all__ = ["MaxPoolWithIndices", "MaxUnpool"]


class _Pool(SpatialLayer):
    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        strides: int | tuple[int, int] | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.pool_size = pair_of("pool_size", pool_size)
        self.strides = pair_of(
            "strides", self.pool_size if strides is None else strides
        )


@keras.saving.register_keras_serializable(
    package="keras_seg", name="MaxPoolWithSwitches"
)
class MaxPoolWithIndices(_Pool):
    """Max pooling that also returns where the maxima were.

    The index of a window is the flat position `y · W + x` of its maximum in
    the plane of its image and channel, W columns wide, as in Caffe and
    PyTorch; `keras_seg.ops.indices_to_tensorflow` gives TensorFlow's. Of
    equal maxima the first in raster order counts, as there. References:

    - [SegNet](https://arxiv.org/abs/1511.00561)
    - [Learning Deconvolution Network for Semantic Segmentation](
      https://arxiv.org/abs/1505.04366)

    Args:
        pool_size: int or pair of ints. Defaults to 2.
        strides: int or pair of ints. Smaller ones than `pool_size` make the
            windows overlap. Defaults to `pool_size`.
        rounding: `"ceil"`, as in Caffe: the windows cover the map, the last
            one cut off at the edge; or `"floor"`, as Keras with "valid":
            what does not fill a window is left out. Defaults to `"ceil"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`. No value may
        be NaN.

    Output shape:
        `(pooled, indices)`, the indices int32, both with sides of
        `floor((n - pool_size) / strides) + 1`, or rounded up (at least 1, and
        no window begins outside).

    Raises:
        ValueError: for sizes and strides below 1, and with
            `rounding="floor"` for maps smaller than a window.

    Example:

    >>> import numpy as np
    >>> x = np.array([[1.0, 3.0, 2.0], [4.0, 2.0, 5.0]]).reshape(1, 2, 3, 1)
    >>> pooled, indices = MaxPoolWithIndices(2)(x)
    >>> [float(v) for v in np.ravel(pooled)]
    [4.0, 5.0]
    >>> [int(v) for v in np.ravel(indices)]
    [3, 5]
    """

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        strides: int | tuple[int, int] | None = None,
        rounding: str = "ceil",
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, data_format, **kwargs)
        check_one_of(("ceil", "floor"), rounding=rounding)
        self.rounding = rounding

    def build(self, input_shape):
        self.compute_output_shape(input_shape)
        self.built = True

    def call(
        self, inputs: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        return max_pool_with_indices(
            inputs,
            self.pool_size,
            self.strides,
            rounding=self.rounding,
            data_format=self.data_format,
        )

    def compute_output_shape(self, input_shape):
        shape = self.with_sizes(
            input_shape,
            lambda n, k, s: pooled_size(n, k, s, self.rounding),
            self.pool_size,
            self.strides,
        )
        return shape, shape

    def compute_output_spec(self, inputs):
        pooled, indices = self.compute_output_shape(inputs.shape)
        return (
            keras.KerasTensor(pooled, dtype=inputs.dtype),
            keras.KerasTensor(indices, dtype="int32"),
        )


@keras.saving.register_keras_serializable(package="keras_seg")
class MaxUnpool(_Pool):
    """Puts values back where a pooling found its maxima, zeros elsewhere.

    Several sizes pool to the same, 23 and 24 rows to 12, so the layer is told
    which it was: as a map of that size, or as numbers. An index counts
    positions in the map that was pooled: with another width the values land
    in other places, which cannot be detected from the indices.

    Where windows overlap, two of them may point at one position: the later
    one in raster order is written over the earlier; nothing is summed. The
    gradient of a value is the gradient at its position, or zero if it was
    overwritten. None flows into the indices.

    Args:
        pool_size: int or pair of ints, of the pooling. Defaults to 2.
        strides: int or pair of ints, of the pooling. Defaults to `pool_size`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: the values.
        indices: integers of the same shape, from `MaxPoolWithIndices`.
        reference: maps of any number of channels and of the size that was
            pooled, such as the map that was pooled. Defaults to None.
        output_size: int or pair of ints, that size itself. Defaults to that
            of `reference`; without both, to the size that the windows fill
            exactly, `(n - 1) · strides + pool_size`.

    Input shape:
        `(batch, height, width, channels)` each, for `"channels_last"`.

    Output shape:
        The batch and the channels of `inputs`, the size that was pooled.

    Raises:
        ValueError: for sizes and strides below 1, indices of another shape
            or no integers, a size that does not give so many windows, and
            `reference` together with `output_size`.

    Example:

    >>> import numpy as np
    >>> x = np.array([[1.0, 3.0, 2.0], [4.0, 2.0, 5.0]]).reshape(1, 2, 3, 1)
    >>> pooled, indices = MaxPoolWithIndices(2)(x)
    >>> y = MaxUnpool(2)(pooled * 10, indices, output_size=(2, 3))
    >>> np.asarray(y)[0, :, :, 0].tolist()
    [[0.0, 0.0, 0.0], [40.0, 0.0, 50.0]]
    """

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        strides: int | tuple[int, int] | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, data_format, **kwargs)
        self.input_spec = None

    def call(
        self,
        inputs: keras.KerasTensor,
        indices: keras.KerasTensor,
        reference: keras.KerasTensor | None = None,
        output_size: int | tuple[int, int] | None = None,
    ) -> keras.KerasTensor:
        return max_unpool(
            inputs,
            indices,
            self.pool_size,
            self.strides,
            self._size(reference, output_size, ops.shape),
            data_format=self.data_format,
        )

    def compute_output_spec(
        self, inputs, indices, reference=None, output_size=None
    ):
        size = self._size(reference, output_size, lambda x: x.shape)
        if size is None:
            shape = self.with_sizes(
                inputs.shape,
                lambda n, k, s: (n - 1) * s + k,
                self.pool_size,
                self.strides,
            )
            size = tuple(shape[axis] for axis in self.spatial_axes)
        check_unpooling(
            inputs,
            indices,
            self.pool_size,
            self.strides,
            size,
            self.data_format,
        )
        shape = self.with_spatial_shape(inputs.shape, *size)
        return keras.KerasTensor(shape, dtype=inputs.dtype)

    def _size(
        self, reference: Any, output_size: Any, shape_of: Callable
    ) -> Any:
        if output_size is not None:
            if reference is not None:
                raise ValueError(
                    "Give `reference` or `output_size`, not both. "
                    f"Received: output_size={output_size}, reference of shape "
                    f"{tuple(reference.shape)}"
                )
            return pair_of("output_size", output_size)
        if reference is None:
            return None
        shape = shape_of(reference)
        return tuple(shape[axis] for axis in self.spatial_axes)
