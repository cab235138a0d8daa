"""Keras's convolutions, by the operations that are right and fast."""

import keras
from keras import ops

from keras_seg.ops.bias import add_bias
from keras_seg.ops.conv import conv
from keras_seg.ops.dtypes import same_floats
from keras_seg.ops.torch_conv import lay_out_kernel

__all__ = ["Conv", "ConvTranspose"]


@keras.saving.register_keras_serializable(package="keras_seg")
class Conv(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, faster on JAX's CPU and on PyTorch.

    Arguments and weights are Keras's, and so are results but for one: with
    channels first, where a map is as wide as the layer has filters, Keras on
    TensorFlow adds the bias along the width. Builders put it in the place of
    a backbone's own. See `keras_seg.ops.conv.conv`.

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


@keras.saving.register_keras_serializable(package="keras_seg")
class ConvTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`, its bias added to the channels.

    As `keras_seg.layers.Conv`: at every width.

    Example:

    >>> import numpy as np
    >>> layer = ConvTranspose(4, 2, strides=2)
    >>> tuple(layer(np.zeros((1, 5, 5, 2))).shape[1:])
    (10, 10, 4)
    """

    def call(self, inputs):
        x, kernel = same_floats(inputs, self.kernel)
        x = ops.conv_transpose(
            x,
            kernel,
            strides=self.strides,
            padding=self.padding,
            output_padding=self.output_padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        bias = self.bias if self.use_bias else None
        x = add_bias(x, bias, self.data_format)
        return x if self.activation is None else self.activation(x)
