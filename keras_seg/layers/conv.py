"""Keras's convolution, by the operation that is fast where it runs."""

import keras

from keras_seg.ops.conv import conv
from keras_seg.ops.torch_conv import lay_out_kernel

__all__ = ["Conv"]


@keras.saving.register_keras_serializable(package="keras_seg")
class Conv(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, faster on JAX's CPU and on PyTorch.

    Arguments, weights and results are Keras's; builders put it in the place
    of a backbone's own. See `keras_seg.ops.conv.conv`.

    Example:

    >>> import numpy as np
    >>> tuple(Conv(4, 3)(np.zeros((1, 5, 5, 2))).shape[1:])
    (3, 3, 4)
    """

    def build(self, input_shape):
        super().build(input_shape)
        lay_out_kernel(self._kernel)

    def call(self, inputs):
        x = conv(
            inputs,
            self.kernel,
            self.strides,
            self.dilation_rate,
            padding=self.padding,
            data_format=self.data_format,
            bias=self.bias if self.use_bias else None,
        )
        return x if self.activation is None else self.activation(x)
