"""The two simplest enlargements: bed of nails and nearest neighbor."""

import keras

from keras_seg.layers.base import SpatialLayer
from keras_seg.layers.base import positive_pair
from keras_seg.ops.upsampling import bed_of_nails
from keras_seg.ops.upsampling import nearest_upsampling

__all__ = ["BedOfNails", "NearestUpsampling"]


class _Cells(SpatialLayer):
    keeps_integers = True

    def __init__(self, size=2, data_format=None, **kwargs):
        super().__init__(data_format=data_format, **kwargs)
        self.size = positive_pair("size", size)

    def compute_output_shape(self, input_shape):
        sizes = [
            input_shape[axis] and input_shape[axis] * size
            for axis, size in zip(self.spatial_axes, self.size, strict=True)
        ]
        return self.with_spatial_shape(input_shape, *sizes)

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="keras_seg")
class BedOfNails(_Cells):
    """Puts every value at the top left of a cell of zeros.

    A convolution with stride 1 behind it is a transposed convolution.

    Args:
        size: int or pair of ints, rows and columns of a cell. Defaults to 2.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second for
        `data_format="channels_first"`.

    Output shape:
        Each side times the size.

    Raises:
        ValueError: if a size is below 1 or not an integer.

    Example:

    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> np.asarray(BedOfNails(2)(x))[0, 2, :, 0].tolist()
    [3.0, 0.0, 4.0, 0.0]
    """

    def call(self, inputs):
        return bed_of_nails(inputs, self.size, data_format=self.data_format)


@keras.saving.register_keras_serializable(package="keras_seg")
class NearestUpsampling(_Cells):
    """Fills a cell with every value: nearest neighbor.

    Args:
        size: int or pair of ints, rows and columns of a cell. Defaults to 2.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second for
        `data_format="channels_first"`.

    Output shape:
        Each side times the size.

    Raises:
        ValueError: if a size is below 1 or not an integer.

    Example:

    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> np.asarray(NearestUpsampling(2)(x))[0, 2, :, 0].tolist()
    [3.0, 3.0, 4.0, 4.0]
    """

    def call(self, inputs):
        return nearest_upsampling(
            inputs, self.size, data_format=self.data_format
        )
