"""Keras's depthwise convolutions, by the operation that is fast on a CPU."""

import keras
from keras import ops

from keras_seg.ops.conv import conv
from keras_seg.ops.depthwise import depthwise_conv
from keras_seg.ops.formats import channel_axis

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
        return _finish(self, _depthwise(self, inputs, self.kernel))


@keras.saving.register_keras_serializable(package="keras_seg")
class SeparableConv(keras.layers.SeparableConv2D):
    """`keras.layers.SeparableConv2D`, faster in the same way.

    Example:

    >>> import numpy as np
    >>> tuple(SeparableConv(4, 3)(np.zeros((1, 5, 5, 2))).shape[1:])
    (3, 3, 4)
    """

    def call(self, inputs):
        x = _depthwise(self, inputs, self.depthwise_kernel)
        x = conv(x, self.pointwise_kernel, data_format=self.data_format)
        return _finish(self, x)


def _depthwise(layer, x, kernel):
    return depthwise_conv(
        x,
        kernel,
        layer.strides,
        layer.dilation_rate,
        padding=layer.padding,
        data_format=layer.data_format,
    )


def _finish(layer, x):
    if layer.use_bias:
        shape = [1] * 4
        shape[channel_axis(layer.data_format)] = -1
        x = ops.add(x, ops.reshape(layer.bias, shape))
    return x if layer.activation is None else layer.activation(x)
