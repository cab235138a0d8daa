"""Keras's depthwise convolutions, by the operation that is fast on a CPU."""

import keras

from keras_seg.ops.bias import add_bias
from keras_seg.ops.conv import conv
from keras_seg.ops.depthwise import depthwise_conv
from keras_seg.ops.torch_conv import lay_out_kernel

__all__ = ["DepthwiseConv", "SeparableConv"]


@keras.saving.register_keras_serializable(package="keras_seg")
class DepthwiseConv(keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D`, faster on JAX's CPU and on PyTorch.

    Arguments, weights and results are Keras's; builders put it in the place
    of a backbone's own. See `keras_seg.ops.depthwise.depthwise_conv`.

    Example:

    >>> import numpy as np
    >>> y = DepthwiseConv(3, padding="same")(np.zeros((1, 5, 5, 2)))
    >>> tuple(y.shape[1:])
    (5, 5, 2)
    """

    def call(self, inputs):
        x = _depthwise(self, inputs, self.kernel)
        bias = self.bias if self.use_bias else None
        x = add_bias(x, bias, self.data_format)
        return x if self.activation is None else self.activation(x)


@keras.saving.register_keras_serializable(package="keras_seg")
class SeparableConv(keras.layers.SeparableConv2D):
    """`keras.layers.SeparableConv2D`, faster in the same way.

    Example:

    >>> import numpy as np
    >>> tuple(SeparableConv(4, 3)(np.zeros((1, 5, 5, 2))).shape[1:])
    (3, 3, 4)
    """

    def build(self, input_shape):
        super().build(input_shape)
        lay_out_kernel(self.pointwise_kernel)

    def call(self, inputs):
        x = _depthwise(self, inputs, self.depthwise_kernel)
        x = conv(
            x,
            self.pointwise_kernel,
            data_format=self.data_format,
            bias=self.bias if self.use_bias else None,
        )
        return x if self.activation is None else self.activation(x)


def _depthwise(layer, x, kernel):
    return depthwise_conv(
        x,
        kernel,
        layer.strides,
        layer.dilation_rate,
        padding=layer.padding,
        data_format=layer.data_format,
    )
