"""Keras's convolution, in the form that is fast on a CPU."""

import keras
from keras import ops

from keras_seg.ops.devices import on_cpu
from keras_seg.ops.formats import spatial_axes
from keras_seg.ops.padding import pad_spatial
from keras_seg.ops.torch_conv import torch_conv

__all__ = ["Conv"]


@keras.saving.register_keras_serializable(package="keras_seg")
class Conv(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, faster without padding on a CPU.

    Arguments, weights and results are Keras's. What XLA does with JAX 0.10
    takes three to seven times as long without any padding as with some, so
    there the map gets one more row, and the row that comes of it is left off.
    On PyTorch, the map is not copied.

    Example:

    >>> import numpy as np
    >>> tuple(Conv(4, 3)(np.zeros((1, 5, 5, 2))).shape[1:])
    (3, 3, 4)
    """

    def convolution_op(self, inputs, kernel):
        backend = keras.config.backend()
        if self.padding == "valid" and max(self.strides) == 1:
            if backend == "torch":
                return torch_conv(
                    inputs,
                    ops.convert_to_tensor(kernel),
                    self.dilation_rate,
                    ((0, 0), (0, 0)),
                    self.data_format,
                )
            if backend == "jax" and on_cpu(inputs):
                return self._with_a_row_more(inputs, kernel)
        return super().convolution_op(inputs, kernel)

    def _with_a_row_more(self, x, kernel):
        x = pad_spatial(x, (0, 1), (0, 0), self.data_format)
        rows, _ = spatial_axes(self.data_format)
        y = super().convolution_op(x, kernel)
        return y[(slice(None),) * rows + (slice(-1),)]
