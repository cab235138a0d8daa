"""Layers of hierarchical transformers that reduce a map."""

from typing import Any

import keras
from keras import layers
from keras import ops

from keras_seg.arguments import check_heads
from keras_seg.arguments import check_one_of
from keras_seg.arguments import check_positive
from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.padding import ceil_division
from keras_seg.ops.padding import pad_spatial

__all__ = ["PatchMerging", "ReducedAttention"]


@keras.saving.register_keras_serializable(package="keras_seg")
class ReducedAttention(SpatialLayer):
    """Attention of every position to a reduced map: that of MiT and SegFormer.

    A convolution whose stride is its size reduces the map; its positions,
    normalized, are keys and values. Reference:

    - [SegFormer](https://arxiv.org/abs/2105.15203), section 3.1

    Args:
        num_heads: int, at least 1. The channels must be a multiple of it.
        reduction: int, the size and the stride of the convolution. Defaults
            to 1: none, the map attends to itself.
        padding: `"valid"`, or `"same"`: what is left over at the end of the
            map is not seen, or seen with zeros around. A map of fewer
            positions than `reduction` needs `"same"`. Defaults to `"valid"`,
            as in the authors' code.
        use_bias: bool, whether queries, keys, values and their projection
            have biases. Defaults to True.
        dropout: float, rate at which attention is dropped. Defaults to 0.
        epsilon: float, of the normalization. Defaults to 1e-5.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        That of the input.

    Raises:
        ValueError: If a number is below 1, if the channels are no multiple of
            `num_heads`, or if the map is too small.

    Example:

    >>> import numpy as np
    >>> attention = ReducedAttention(num_heads=2, reduction=4)
    >>> tuple(attention(np.ones((1, 9, 6, 8))).shape)
    (1, 9, 6, 8)
    """

    def __init__(
        self,
        num_heads: int,
        reduction: int = 1,
        padding: str = "valid",
        use_bias: bool = True,
        dropout: float = 0.0,
        epsilon: float = 1e-5,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_positive(num_heads=num_heads, reduction=reduction)
        check_one_of(("valid", "same"), padding=padding)
        self.num_heads = num_heads
        self.reduction = reduction
        self.padding = padding
        self.use_bias = use_bias
        self.dropout = dropout
        self.epsilon = epsilon

    def build(self, input_shape):
        channels = input_shape[self.channel_axis]
        check_heads(self.num_heads, channels)
        own = {"dtype": self.dtype_policy}
        shape = (None, None, None, channels)
        self.reduce = None
        if self.reduction > 1:
            self.reduce = layers.Conv2D(
                channels,
                self.reduction,
                strides=self.reduction,
                padding=self.padding,
                data_format="channels_last",
                name="reduce",
                **own,
            )
            self.norm = layers.LayerNormalization(
                epsilon=self.epsilon, name="norm", **own
            )
            self.reduce.build(shape)
            self.norm.build(shape)
        self.attention = layers.MultiHeadAttention(
            self.num_heads,
            channels // self.num_heads,
            dropout=self.dropout,
            use_bias=self.use_bias,
            attention_axes=(1, 2),
            name="attention",
            **own,
        )
        self.attention.build(shape, shape)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None):
        query = key = self.channels_last(inputs)
        if self.reduce is not None:
            key = self.norm(self.reduce(key))
        return self.as_given(self.attention(query, key, training=training))

    def compute_output_shape(self, input_shape):
        for axis in self.spatial_axes:
            size = input_shape[axis]
            if size and size < self.reduction and self.padding == "valid":
                raise ValueError(
                    f"The layer '{self.name}' reduces a map by "
                    f"{self.reduction}, which this one is too small for. "
                    f"Received: a map of shape {tuple(input_shape)}"
                )
        return tuple(input_shape)


@keras.saving.register_keras_serializable(package="keras_seg")
class PatchMerging(SpatialLayer):
    """Halves a map: 2×2 positions become one, by a dense layer. Swin's.

    The channels of the four are joined (first those of the left column, the
    upper before the lower), normalized and multiplied by a matrix without
    biases. A row or column of zeros is added to odd sides. Reference:

    - [Swin Transformer](https://arxiv.org/abs/2103.14030), section 3.1

    Args:
        filters: int, the channels of the output.
        epsilon: float, of the normalization. Defaults to 1e-5.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        `(batch, ceil(height / 2), ceil(width / 2), filters)`.

    Raises:
        ValueError: If `filters` is below 1.

    Example:

    >>> import numpy as np
    >>> tuple(PatchMerging(8)(np.ones((1, 9, 6, 4))).shape)
    (1, 5, 3, 8)
    """

    strides = (2, 2)

    def __init__(
        self,
        filters: int,
        epsilon: float = 1e-5,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_positive(filters=filters)
        self.filters = filters
        self.epsilon = epsilon

    def build(self, input_shape):
        own = {"dtype": self.dtype_policy}
        self.norm = layers.LayerNormalization(
            epsilon=self.epsilon, name="norm", **own
        )
        self.reduction = layers.Dense(
            self.filters, use_bias=False, name="reduction", **own
        )
        shape = (None, None, None, 4 * input_shape[self.channel_axis])
        self.norm.build(shape)
        self.reduction.build(shape)

    def call(self, inputs: keras.KerasTensor):
        x = self.channels_last(inputs)
        rows, columns = (
            (0, 2 * ceil_division(n, 2) - n) for n in ops.shape(x)[1:3]
        )
        x = pad_spatial(x, rows, columns, "channels_last")
        corners = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        x = ops.concatenate(corners, axis=-1)
        return self.as_given(self.reduction(self.norm(x)))

    def compute_output_shape(self, input_shape):
        shape = list(
            self.with_sizes(input_shape, lambda n: ceil_division(n, 2))
        )
        shape[self.channel_axis] = self.filters
        return tuple(shape)
