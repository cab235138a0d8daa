"""Keras's max-pooling, without its copies on PyTorch."""

import keras
from keras import ops

from keras_seg.ops.formats import spatial_axes
from keras_seg.ops.padding import pad_spatial
from keras_seg.ops.padding import windows

__all__ = ["MaxPool"]


@keras.saving.register_keras_serializable(package="keras_seg")
class MaxPool(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D`, faster on PyTorch.

    Arguments and results are Keras's; builders put it in the place of a
    backbone's own. Keras copies the map to have its channels first, and the
    layers that follow take it so; PyTorch pools it as it lies.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 1.0, 2.0, 5.0]).reshape(1, 1, 4, 1)
    >>> [float(v) for v in np.ravel(MaxPool((1, 2))(x))]
    [3.0, 5.0]
    """

    def call(self, inputs):
        x = ops.convert_to_tensor(inputs)
        dtype = keras.backend.standardize_dtype(x.dtype)
        if dtype == "bool":
            x = inputs = ops.cast(x, self.compute_dtype)
        sizes = [x.shape[axis] for axis in spatial_axes(self.data_format)]
        plain = all(isinstance(size, int) for size in sizes)
        if (
            keras.config.backend() != "torch"
            or not plain
            or not keras.backend.is_float_dtype(dtype)
        ):
            return super().call(inputs)
        from torch.nn import functional

        (rows, columns), _ = windows(
            sizes, self.pool_size, self.strides, (1, 1), self.padding
        )
        x = pad_spatial(x, rows, columns, self.data_format, -float("inf"))
        last = self.data_format == "channels_last"
        if last:
            x = x.permute(0, 3, 1, 2)
        y = functional.max_pool2d(x, self.pool_size, self.strides)
        return y.permute(0, 2, 3, 1) if last else y
