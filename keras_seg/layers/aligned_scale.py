"""Bilinear resizing by a factor, the corner pixels staying in the corners."""

import keras
from keras import ops

from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.resize import resize

__all__ = ["AlignedScale"]


@keras.saving.register_keras_serializable(package="keras_seg")
class AlignedScale(SpatialLayer):
    """Scales maps as Caffe's `Interp` does, with aligned corners.

    A side of n positions becomes `floor((n - 1) · scale) + 1`: DeepLab's 321
    at 0.75 is 241, at 0.5 it is 161.

    Args:
        scale: float above 0.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second for
        `data_format="channels_first"`.

    Output shape:
        The same with scaled sides.

    Raises:
        ValueError: if `scale` is not a number above 0.

    Example:

    >>> import numpy as np
    >>> tuple(AlignedScale(0.75)(np.zeros((1, 321, 5, 3))).shape)
    (1, 241, 4, 3)
    """

    def __init__(self, scale, data_format=None, **kwargs):
        super().__init__(data_format=data_format, **kwargs)
        number = isinstance(scale, int | float) and not isinstance(scale, bool)
        if not number or not 0 < scale < float("inf"):
            raise ValueError(
                f"`scale` must be a number above 0. Received: scale={scale!r}"
            )
        self.scale = scale

    def _scaled(self, size):
        if isinstance(size, int):
            return int((size - 1) * self.scale) + 1
        scaled = ops.floor(ops.cast(size - 1, "float32") * self.scale)
        return ops.cast(scaled, "int32") + 1

    def call(self, inputs):
        shape = ops.shape(inputs)
        size = [self._scaled(shape[axis]) for axis in self.spatial_axes]
        x = ops.cast(inputs, self.compute_dtype)
        return resize(x, size, align_corners=True, data_format=self.data_format)

    def compute_output_shape(self, input_shape):
        sizes = [
            input_shape[axis] and self._scaled(input_shape[axis])
            for axis in self.spatial_axes
        ]
        return self.with_spatial_shape(input_shape, *sizes)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}
