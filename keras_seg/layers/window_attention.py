"""Attention within the windows of a map, Swin's."""

from typing import Any

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_seg.arguments import check_heads
from keras_seg.arguments import check_positive
from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.backend import select
from keras_seg.ops.padding import ceil_division
from keras_seg.ops.padding import pad_spatial

__all__ = ["WindowAttention"]

# Added to the logits of positions that must not see each other.
MASKED = -100.0


@keras.saving.register_keras_serializable(package="keras_seg")
class WindowAttention(SpatialLayer):
    """Self-attention within the windows of a map: Swin's.

    The map is cut into windows, and every position attends to those of its
    window, with a learned bias for each distance. With `shifted` the windows
    lie half a window further down and right, and what is cut off at the end
    is joined to what is left at the beginning; positions that are no neighbors
    on the map are masked. A map whose smaller side is not larger than the
    window is not shifted.

    The map may have any size: it is padded with zeros, below and on the right,
    to whole windows, and the output is cropped, as in the authors' code for
    detection and segmentation. Reference:

    - [Swin Transformer: Hierarchical Vision Transformer using Shifted
      Windows](https://arxiv.org/abs/2103.14030), section 3.2

    Args:
        num_heads: int, at least 1. The channels must be a multiple of it.
        window_size: int, positions along a side of a window. Defaults to 7.
        shifted: bool, whether the windows are shifted. Defaults to False.
        use_bias: bool, whether queries, keys and values have biases.
            Defaults to True.
        dropout: float, rate at which attention is dropped. Defaults to 0.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        That of the input.

    Raises:
        ValueError: If a number is below 1, or the channels are no multiple of
            `num_heads`.

    Example:

    >>> import numpy as np
    >>> attention = WindowAttention(num_heads=2, window_size=4, shifted=True)
    >>> tuple(attention(np.ones((1, 9, 6, 8))).shape)
    (1, 9, 6, 8)
    """

    def __init__(
        self,
        num_heads: int,
        window_size: int = 7,
        shifted: bool = False,
        use_bias: bool = True,
        dropout: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_positive(num_heads=num_heads, window_size=window_size)
        self.num_heads = num_heads
        self.window_size = window_size
        self.shifted = shifted
        self.use_bias = use_bias
        self.dropout = dropout

    def build(self, input_shape):
        channels = input_shape[self.channel_axis]
        check_heads(self.num_heads, channels)
        side = 2 * self.window_size - 1
        self.position_bias = self.add_weight(
            shape=(side**2, self.num_heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="position_bias",
        )
        own = {"dtype": self.dtype_policy}
        self.qkv = layers.Dense(
            3 * channels, use_bias=self.use_bias, name="qkv", **own
        )
        self.drop = layers.Dropout(self.dropout, **own)
        self.projection = layers.Dense(channels, name="projection", **own)
        for dense in (self.qkv, self.projection):
            dense.build((None, self.window_size**2, channels))

    def call(self, inputs: keras.KerasTensor, training: bool | None = None):
        x = self.channels_last(inputs)
        _, height, width, channels = ops.shape(x)
        size = self.window_size
        counts = [ceil_division(n, size) for n in (height, width)]
        rows, columns = (n * size for n in counts)
        x = pad_spatial(
            x, (0, rows - height), (0, columns - width), "channels_last"
        )
        shift = self._shift(height, width)
        if self.shifted:
            x = _rolled(x, shift, shift)
        mask = self._mask(counts, shift) if self.shifted else None
        x = self._attend(_windows(x, counts, size), mask, training)
        x = ops.reshape(x, (-1, *counts, size, size, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        x = ops.reshape(x, (-1, rows, columns, channels))
        if self.shifted:
            x = _rolled(x, rows - shift, columns - shift)
        return self.as_given(x[:, :height, :width])

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def _attend(self, x, mask, training):
        """Attention in windows `(batch · windows, positions, channels)`."""
        length, channels = x.shape[1:]
        qkv = ops.reshape(
            self.qkv(x),
            (-1, length, 3, self.num_heads, channels // self.num_heads),
        )
        query, key, value = ops.unstack(
            ops.transpose(qkv, (2, 0, 3, 1, 4)), num=3
        )
        query = query * (channels // self.num_heads) ** -0.5
        logits = ops.matmul(query, ops.swapaxes(key, -2, -1))
        table = ops.convert_to_tensor(self.position_bias)
        bias = select(table, self._distances(), axis=0)
        bias = ops.reshape(bias, (length, length, self.num_heads))
        bias = ops.transpose(bias, (2, 0, 1))
        logits = logits + ops.cast(bias, logits.dtype)
        if mask is not None:
            windows = ops.shape(mask)[0]
            logits = ops.reshape(
                logits, (-1, windows, self.num_heads, length, length)
            )
            logits = logits + ops.cast(mask[:, None], logits.dtype)
            logits = ops.reshape(logits, (-1, self.num_heads, length, length))
        weights = self.drop(ops.softmax(logits), training=training)
        x = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return self.projection(ops.reshape(x, (-1, length, channels)))

    def _distances(self):
        """Which bias each pair of positions of a window has."""
        size = self.window_size
        y, x = np.divmod(np.arange(size**2), size)
        down, across = (n[:, None] - n[None] + size - 1 for n in (y, x))
        return np.ravel(down * (2 * size - 1) + across)

    def _shift(self, height, width):
        """By how much a map of so many rows and columns is shifted."""
        half = self.window_size // 2
        if ops.is_tensor(height) or ops.is_tensor(width):
            smaller = ops.minimum(height, width)
            return ops.where(smaller > self.window_size, half, 0)
        return half if min(height, width) > self.window_size else 0

    def _mask(self, counts, shift):
        """What is added to the logits, `(windows, positions, positions)`.

        A shifted map has three bands of rows and of columns: up to the last
        window, and in this one what was the end and what was the beginning.
        """
        size = self.window_size
        bands = []
        for count in counts:
            length = count * size
            position = ops.arange(length)
            bands.append(
                ops.cast(position >= length - size, "int32")
                + ops.cast(position >= length - shift, "int32")
            )
        # Not `[None]`, of which LiteRT knows little.
        down, across = (
            ops.reshape(band, shape)
            for band, shape in zip(
                bands, ((1, -1, 1, 1), (1, 1, -1, 1)), strict=True
            )
        )
        region = _windows(3 * down + across, counts, size)[..., 0]
        apart = ops.not_equal(region[:, None], region[:, :, None])
        return ops.where(apart, MASKED, 0.0)


def _rolled(x, down, across):
    """Moves the first rows and columns to the end: LiteRT has no `roll`."""
    x = ops.concatenate([x[:, down:], x[:, :down]], axis=1)
    return ops.concatenate([x[:, :, across:], x[:, :, :across]], axis=2)


def _windows(x, counts, size):
    """Cuts a map into windows: `(batch · windows, size², channels)`."""
    channels = x.shape[-1]
    x = ops.reshape(x, (-1, counts[0], size, counts[1], size, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, size**2, channels))
