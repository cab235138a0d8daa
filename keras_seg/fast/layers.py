"""Layers that compute what Keras's do, faster on a CPU.

Arguments, weights and results are Keras's. Builders put them in the place of
the layers of a backbone.
"""

import keras
from keras import ops

from keras_seg.fast.convolution import conv
from keras_seg.fast.convolution import lay_out_kernel
from keras_seg.fast.depthwise import depthwise_conv
from keras_seg.ops.backend import add_bias
from keras_seg.ops.backend import is_portable
from keras_seg.ops.backend import on_cpu
from keras_seg.ops.backend import same_floats
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.padding import pad_spatial
from keras_seg.ops.padding import windows

__all__ = [
    "BatchNorm",
    "Conv",
    "ConvTranspose",
    "DepthwiseConv",
    "MaxPool",
    "SeparableConv",
    "replacement_class",
]


@keras.saving.register_keras_serializable(package="keras_seg")
class Conv(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, faster on JAX's CPU and on PyTorch.

    The results differ in one case, where Keras's are wrong: with channels
    first, where a map is as wide as the layer has filters, Keras on TensorFlow
    adds the bias along the width.

    Example:

    >>> import numpy as np
    >>> tuple(Conv(4, 3)(np.zeros((1, 5, 5, 2))).shape[1:])
    (3, 3, 4)
    """

    def build(self, input_shape):
        super().build(input_shape)
        lay_out_kernel(self.kernel)

    def call(self, inputs):
        x = conv(
            inputs,
            self.kernel,
            self.strides,
            self.dilation_rate,
            padding=self.padding,
            data_format=self.data_format,
            bias=_bias(self),
        )
        return _activated(self, x)


@keras.saving.register_keras_serializable(package="keras_seg")
class ConvTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with the bias added as in `Conv`.

    On JAX's CPU it is faster where strides are as large as the kernel.

    Example:

    >>> import numpy as np
    >>> layer = ConvTranspose(4, 2, strides=2)
    >>> tuple(layer(np.zeros((1, 5, 5, 2))).shape[1:])
    (10, 10, 4)
    """

    def call(self, inputs):
        x, kernel = same_floats(inputs, self.kernel)
        in_blocks = self.strides == self.kernel_size and (
            self.output_padding is None and max(self.dilation_rate) == 1
        )
        if in_blocks and keras.config.backend() == "jax" and on_cpu(x):
            from keras_seg.fast.jax_convolution import jax_conv_in_blocks

            x = jax_conv_in_blocks(x, kernel, self.data_format)
        else:
            x = ops.conv_transpose(
                x,
                kernel,
                strides=self.strides,
                padding=self.padding,
                output_padding=self.output_padding,
                data_format=self.data_format,
                dilation_rate=self.dilation_rate,
            )
        return _activated(self, add_bias(x, _bias(self), self.data_format))


@keras.saving.register_keras_serializable(package="keras_seg")
class DepthwiseConv(keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D`, faster on JAX's CPU and on PyTorch.

    Example:

    >>> import numpy as np
    >>> y = DepthwiseConv(3, padding="same")(np.zeros((1, 5, 5, 2)))
    >>> tuple(y.shape[1:])
    (5, 5, 2)
    """

    def call(self, inputs):
        return _activated(
            self, _depthwise(self, inputs, self.kernel, _bias(self))
        )


@keras.saving.register_keras_serializable(package="keras_seg")
class SeparableConv(keras.layers.SeparableConv2D):
    """`keras.layers.SeparableConv2D`, faster on JAX's CPU and on PyTorch.

    Example:

    >>> import numpy as np
    >>> tuple(SeparableConv(4, 3)(np.zeros((1, 5, 5, 2))).shape[1:])
    (3, 3, 4)
    """

    def build(self, input_shape):
        super().build(input_shape)
        lay_out_kernel(self.pointwise_kernel)

    def call(self, inputs):
        x = conv(
            _depthwise(self, inputs, self.depthwise_kernel),
            self.pointwise_kernel,
            data_format=self.data_format,
            bias=_bias(self),
        )
        return _activated(self, x)


def _bias(layer):
    return layer.bias if layer.use_bias else None


def _activated(layer, x):
    return x if layer.activation is None else layer.activation(x)


def _depthwise(layer, x, kernel, bias=None):
    return depthwise_conv(
        x,
        kernel,
        layer.strides,
        layer.dilation_rate,
        padding=layer.padding,
        data_format=layer.data_format,
        bias=bias,
    )


@keras.saving.register_keras_serializable(package="keras_seg")
class BatchNorm(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, faster on PyTorch.

    Keras reads the map three times to normalize it, and more often to compute
    its statistics; PyTorch's own operations read it once.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 3.0]).reshape(1, 1, 2, 1)
    >>> y = BatchNorm(epsilon=0.0)(x, training=True)
    >>> [float(v) for v in np.ravel(keras.ops.convert_to_numpy(y))]
    [-1.0, 1.0]
    """

    def call(self, inputs, training=None, mask=None):
        plain = mask is None and not self.renorm and not self.synchronized
        # Those of several devices, see `keras_private.set_moments`.
        plain = plain and "_moments" not in vars(self)
        if keras.config.backend() != "torch" or not plain:
            return super().call(inputs, training=training, mask=mask)
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        x = ops.cast(inputs, dtype)
        mean, variance, gamma, beta = (
            None if weight is None else ops.cast(weight, dtype)
            for weight in (
                self.moving_mean,
                self.moving_variance,
                self.gamma if self.scale else None,
                self.beta if self.center else None,
            )
        )
        if training and self.trainable:
            y, mean, variance = _by_statistics(
                x, gamma, beta, self.axis, self.epsilon
            )
            for moving, value in (
                (self.moving_mean, mean),
                (self.moving_variance, variance),
            ):
                moving.assign(
                    moving * self.momentum + value * (1.0 - self.momentum)
                )
        else:
            y = _by_constants(
                x, mean, variance, gamma, beta, self.axis, self.epsilon
            )
        return ops.cast(y, self.compute_dtype)


def _by_constants(x, mean, variance, gamma, beta, axis, epsilon):
    import torch

    if is_portable():  # Runtimes know it, and make it part of convolutions.
        y = torch.nn.functional.batch_norm(
            torch.movedim(x, axis, 1), mean, variance, gamma, beta, eps=epsilon
        )
        return torch.movedim(y, 1, axis)
    scale = torch.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma
    offset = -mean * scale if beta is None else beta - mean * scale
    shape = [1] * x.ndim
    shape[axis] = -1
    return torch.addcmul(offset.reshape(shape), x, scale.reshape(shape))


def _by_statistics(x, gamma, beta, axis, epsilon):
    """The normalized map, its means and its variances."""
    import torch

    # A map with its channels last, its axes permuted, already is what PyTorch
    # calls channels-last memory.
    y, mean, deviation = torch.native_batch_norm(
        torch.movedim(x, axis, 1), gamma, beta, None, None, True, 0.0, epsilon
    )
    variance = torch.clamp(deviation.detach() ** -2 - epsilon, min=0.0)
    return torch.movedim(y, 1, axis), mean.detach(), variance


@keras.saving.register_keras_serializable(package="keras_seg")
class MaxPool(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D`, faster on PyTorch.

    Keras copies the map to have its channels first in memory, where it stays
    for the layers that follow; PyTorch can pool it as it is.

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


REPLACEMENTS = {
    keras.layers.BatchNormalization: BatchNorm,
    keras.layers.Conv2D: Conv,
    keras.layers.Conv2DTranspose: ConvTranspose,
    keras.layers.DepthwiseConv2D: DepthwiseConv,
    keras.layers.MaxPooling2D: MaxPool,
    keras.layers.SeparableConv2D: SeparableConv,
}


def replacement_class(layer: keras.layers.Layer) -> type[keras.layers.Layer]:
    """Returns the class of this room that replaces a layer's, or its own.

    A subclass of one of Keras's layers keeps its class: it may compute
    something else.

    Example:

    >>> replacement_class(keras.layers.DepthwiseConv2D(3)).__name__
    'DepthwiseConv'
    """
    return REPLACEMENTS.get(type(layer), type(layer))
