"""Convolution with holes."""

from collections.abc import Callable
from typing import Any

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
        separable: bool, whether to use a depthwise convolution with holes
            and a 1×1 convolution, as in
            [DeepLab v3+](https://arxiv.org/abs/1802.02611), but without the
            batch norm and ReLU between the two. Defaults to False.
        activation: function, its name, or None. Defaults to None.
        use_bias: bool. Defaults to True.
        kernel_initializer: of the kernel; of the 1×1 one where `separable`.
        bias_initializer: of the bias.
        depthwise_initializer: of the depthwise kernel.
        kernel_regularizer: of the kernel, or None.
        bias_regularizer: of the bias, or None.
        depthwise_regularizer: of the depthwise kernel, or None. DeepLab v3+
            has none.
        kernel_constraint: of the kernel, or None.
        bias_constraint: of the bias, or None.
        depthwise_constraint: of the depthwise kernel, or None.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        With `filters` channels. A side of n positions becomes
        `n + 2 · padding - effective_kernel_size + 1`; `"same"` keeps n.

    Raises:
        ValueError: If `filters`, a size or the rate is below 1, the padding
            is none of the above, or the kernel does not fit into the map.

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
        filters: int,
        kernel_size: int | tuple[int, int],
        dilation_rate: int = 1,
        padding: str | int | tuple[int, int] = "same",
        separable: bool = False,
        data_format: str | None = None,
        activation: str | Callable | None = None,
        use_bias: bool = True,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        depthwise_initializer: (
            str | initializers.Initializer
        ) = "glorot_uniform",
        kernel_regularizer: str | regularizers.Regularizer | None = None,
        bias_regularizer: str | regularizers.Regularizer | None = None,
        depthwise_regularizer: str | regularizers.Regularizer | None = None,
        kernel_constraint: str | constraints.Constraint | None = None,
        bias_constraint: str | constraints.Constraint | None = None,
        depthwise_constraint: str | constraints.Constraint | None = None,
        **kwargs: Any,
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
    def effective_kernel_size(self) -> tuple[int, int]:
        """The rows and columns that the kernel spans, with its holes."""
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

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        x, rate = inputs, self.dilation_rate
        common = {"padding": self.padding, "data_format": self.data_format}
        if self.separable:
            x = atrous_depthwise_conv(x, self.depthwise_kernel, rate, **common)
            rate, common["padding"] = 1, "valid"
        bias = self.bias if self.use_bias else None
        return self.activation(
            atrous_conv(x, self.kernel, rate, bias=bias, **common)
        )

    def compute_output_shape(self, input_shape):
        shape = list(
            self.with_sizes(
                input_shape,
                lambda n, pad, size: n + sum(pad) - size + 1,
                atrous_padding(
                    self.kernel_size, self.dilation_rate, self.padding
                ),
                self.effective_kernel_size,
            )
        )
        sizes = [shape[axis] for axis in self.spatial_axes]
        if any(size is not None and size < 1 for size in sizes):
            raise ValueError(
                f"A kernel that spans {self.effective_kernel_size} positions "
                f"does not fit into the map. Received: "
                f"dilation_rate={self.dilation_rate}, "
                f"kernel_size={self.kernel_size}, padding={self.padding!r}, "
                f"input_shape={tuple(input_shape)}"
            )
        shape[self.channel_axis] = self.filters
        return tuple(shape)

    def _add(self, kind: str, name: str, shape: tuple) -> keras.Variable:
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
            "activation": activations.serialize(self.activation),
            **{
                name: handler.serialize(getattr(self, name))
                for name, handler in HANDLERS.items()
            },
        }


def _standardize_padding(padding: Any) -> str | tuple[int, int]:
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
