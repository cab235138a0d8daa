"""Convolution with holes."""

import keras
from keras import activations
from keras import constraints
from keras import initializers
from keras import regularizers

from keras_seg.arguments import check_positive
from keras_seg.arguments import pair_of
from keras_seg.fast.atrous import atrous_conv
from keras_seg.fast.atrous import atrous_depthwise_conv
from keras_seg.fast.atrous import atrous_padding
from keras_seg.fast.convolution import lay_out_kernel
from keras_seg.layers.base import SpatialLayer

__all__ = ["AtrousConv"]

# The arguments of the weights, and what reads and writes them.
HANDLERS = {
    "kernel_initializer": initializers,
    "bias_initializer": initializers,
    "depthwise_initializer": initializers,
    "kernel_regularizer": regularizers,
    "bias_regularizer": regularizers,
    "depthwise_regularizer": regularizers,
    "kernel_constraint": constraints,
    "bias_constraint": constraints,
    "depthwise_constraint": constraints,
}


@keras.saving.register_keras_serializable(package="keras_seg")
class AtrousConv(SpatialLayer):
    """Convolution with holes (dilated convolution), at stride 1.

    The taps of the kernel lie `dilation_rate` positions apart: k of them span
    `k + (k - 1) · (rate - 1)` positions, with the weights and the work of k
    ([DeepLab](https://arxiv.org/abs/1606.00915)). The values and the weights
    are those of `keras.layers.Conv2D(dilation_rate=rate)`; the time falls
    as the rate grows, because taps that lie outside the map cost nothing.
    Rates beyond the size of the map are fine: with `padding="same"` such a
    3×3 kernel acts as a 1×1 kernel.

    Args:
        filters: int, number of channels of the output.
        kernel_size: int or pair of ints, taps of the kernel.
        dilation_rate: int, distance of neighboring taps. Defaults to 1.
        padding: `"same"`, `"valid"`, or an int or pair of ints: zeros on
            each side of the rows and of the columns. Defaults to `"same"`.
        separable: bool, whether a convolution with holes of every channel by
            itself is followed by one of 1×1 taps, as in
            [DeepLab v3+](https://arxiv.org/abs/1802.02611). There, batch
            norm and ReLU come between the two: not here. Defaults to False.
        activation: function, its name, or None. Defaults to None.
        use_bias: bool. Defaults to True.
        kernel_initializer: of the kernel; of the 1×1 one where `separable`.
        bias_initializer: of the bias.
        depthwise_initializer: of the kernel for each channel by itself.
        kernel_regularizer: of the kernel, or None.
        bias_regularizer: of the bias, or None.
        depthwise_regularizer: of the kernel for each channel by itself, or
            None. DeepLab v3+ has none.
        kernel_constraint: of the kernel, or None.
        bias_constraint: of the bias, or None.
        depthwise_constraint: of the kernel for each channel by itself, or
            None.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second for
        `data_format="channels_first"`.

    Output shape:
        With `filters` channels. A side of n positions becomes
        `n + 2 · padding - effective_kernel_size + 1`; `"same"` keeps n.

    Raises:
        ValueError: for filters, sizes and rates below 1, a padding that is
            none of the above, and a map that the kernel does not fit into.

    Example:

    >>> import numpy as np
    >>> layer = AtrousConv(4, 3, dilation_rate=24)
    >>> layer.effective_kernel_size
    (49, 49)
    >>> tuple(layer(np.zeros((1, 33, 33, 2))).shape)
    (1, 33, 33, 4)
    """

    renamed = {"rate": "dilation_rate"}

    def __init__(
        self,
        filters,
        kernel_size,
        dilation_rate=1,
        padding="same",
        separable=False,
        data_format=None,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_initializer="glorot_uniform",
        kernel_regularizer=None,
        bias_regularizer=None,
        depthwise_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        depthwise_constraint=None,
        **kwargs,
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_positive(filters=filters, dilation_rate=dilation_rate)
        self.filters = filters
        self.kernel_size = pair_of("kernel_size", kernel_size)
        self.dilation_rate = dilation_rate
        self.padding = _standardize_padding(padding)
        self.separable = bool(separable)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.depthwise_constraint = constraints.get(depthwise_constraint)

    @property
    def effective_kernel_size(self):
        """The positions that the kernel spans, of the rows and columns."""
        rows, columns = self.kernel_size
        rate = self.dilation_rate
        return (rows - 1) * rate + 1, (columns - 1) * rate + 1

    def build(self, input_shape):
        channels = input_shape[self.channel_axis]
        if channels is None:
            raise ValueError(
                "The number of channels must be known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.compute_output_shape(input_shape)
        kernel_size = self.kernel_size
        if self.separable:
            self.depthwise_kernel = self._add(
                "depthwise", "depthwise_kernel", (*kernel_size, channels, 1)
            )
            kernel_size = (1, 1)
        self.kernel = self._add(
            "kernel", "kernel", (*kernel_size, channels, self.filters)
        )
        lay_out_kernel(self.kernel)
        if self.use_bias:
            self.bias = self._add("bias", "bias", (self.filters,))
        self.input_spec = keras.layers.InputSpec(
            ndim=4, axes={self.channel_axis: channels}
        )
        self.built = True

    def call(self, inputs):
        x, rate, padding = inputs, self.dilation_rate, self.padding
        if self.separable:
            x = atrous_depthwise_conv(
                x,
                self.depthwise_kernel,
                rate,
                padding=padding,
                data_format=self.data_format,
            )
            rate, padding = 1, "valid"
        x = atrous_conv(
            x,
            self.kernel,
            rate,
            padding=padding,
            data_format=self.data_format,
            bias=self.bias if self.use_bias else None,
        )
        return self.activation(x)

    def compute_output_shape(self, input_shape):
        pads = atrous_padding(
            self.kernel_size, self.dilation_rate, self.padding
        )
        sizes = [
            input_shape[axis] and input_shape[axis] + sum(pad) - size + 1
            for axis, pad, size in zip(
                self.spatial_axes,
                pads,
                self.effective_kernel_size,
                strict=True,
            )
        ]
        if any(size is not None and size < 1 for size in sizes):
            raise ValueError(
                f"A kernel that spans {self.effective_kernel_size} positions "
                f"does not fit into the map. Received: "
                f"dilation_rate={self.dilation_rate}, "
                f"kernel_size={self.kernel_size}, padding={self.padding!r}, "
                f"input_shape={tuple(input_shape)}"
            )
        shape = list(self.with_spatial_shape(input_shape, *sizes))
        shape[self.channel_axis] = self.filters
        return tuple(shape)

    def _add(self, kind, name, shape):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=getattr(self, f"{kind}_initializer"),
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilation_rate": self.dilation_rate,
            "padding": self.padding,
            "separable": self.separable,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **{
                name: handler.serialize(getattr(self, name))
                for name, handler in HANDLERS.items()
            },
        }


def _standardize_padding(padding):
    if padding in ("same", "valid"):
        return padding
    pair = (padding, padding) if isinstance(padding, int) else padding
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or any(isinstance(n, bool) or not isinstance(n, int) for n in pair)
        or min(pair) < 0
    ):
        raise ValueError(
            "`padding` must be 'same', 'valid', or an integer of at least 0 "
            f"or a pair of them. Received: padding={padding!r}"
        )
    return tuple(pair)
