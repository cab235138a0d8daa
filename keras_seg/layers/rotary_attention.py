"""Attention whose queries and keys are turned by the places of patches."""

from typing import Any

import keras
from keras import layers
from keras import ops

from keras_seg.arguments import check_heads
from keras_seg.arguments import check_integer
from keras_seg.arguments import check_positive

__all__ = ["RotaryAttention"]


@keras.saving.register_keras_serializable(package="keras_seg")
class RotaryAttention(layers.Layer):
    """Self-attention of tokens, with the positions of DINOv3.

    Each query and each key of a patch is turned by the angles of its place,
    which `RotaryPositions` gives: with x' the second half of x, negated, in
    front of the first,

        x · cos + x' · sin

    so their scalar product depends on how far apart the patches are. Tokens
    that belong to no patch are not turned. Reference:

    - [RoFormer](https://arxiv.org/abs/2104.09864)

    Args:
        num_heads: int, a divisor of the channels.
        prefix_tokens: int, tokens in front that belong to no patch. Defaults
            to 0.
        query_bias, key_bias, value_bias: bool, whether these have a bias.
            Default to True, False and True, as in DINOv3.
        dropout: float, rate on the weights of the attention. Defaults to 0.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        tokens: tensor `(batch, prefix_tokens + patches, channels)`.
        cosines, sines: tensors `(patches, channels / num_heads)`.

    Output shape:
        That of the tokens.

    Raises:
        ValueError: If an argument is out of range, or `num_heads` does not
            divide the channels.

    Example:

    >>> import numpy as np
    >>> layer = RotaryAttention(2, prefix_tokens=1)
    >>> cosines, sines = np.ones((6, 4)), np.zeros((6, 4))
    >>> tuple(layer(np.zeros((1, 7, 8), "float32"), cosines, sines).shape)
    (1, 7, 8)
    """

    def __init__(
        self,
        num_heads: int,
        prefix_tokens: int = 0,
        query_bias: bool = True,
        key_bias: bool = False,
        value_bias: bool = True,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_positive(num_heads=num_heads)
        check_integer(0, prefix_tokens=prefix_tokens)
        self.num_heads = num_heads
        self.prefix_tokens = prefix_tokens
        self.query_bias = query_bias
        self.key_bias = key_bias
        self.value_bias = value_bias
        self.dropout = dropout

    def build(self, tokens_shape, cosines_shape=None, sines_shape=None):
        channels = tokens_shape[-1]
        check_heads(self.num_heads, channels)

        def dense(name, use_bias=True):
            layer = layers.Dense(
                channels,
                use_bias=use_bias,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name=name,
            )
            layer.build(tokens_shape)
            return layer

        self.query = dense("query", self.query_bias)
        self.key = dense("key", self.key_bias)
        self.value = dense("value", self.value_bias)
        self.project = dense("project")
        self.drop = layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.built = True

    def call(
        self,
        tokens: keras.KerasTensor,
        cosines: keras.KerasTensor,
        sines: keras.KerasTensor,
        training: bool | None = None,
    ) -> keras.KerasTensor:
        tokens = ops.cast(tokens, self.compute_dtype)
        channels = tokens.shape[-1]
        size = channels // self.num_heads
        shape = ops.shape(tokens)
        query, key, value = (
            ops.reshape(dense(tokens), (-1, shape[1], self.num_heads, size))
            for dense in (self.query, self.key, self.value)
        )
        # One row of angles for all heads.
        cosines, sines = (ops.expand_dims(x, 1) for x in (cosines, sines))
        query = self._turn(query, cosines, sines)
        key = self._turn(key, cosines, sines)
        scores = ops.einsum("bqhd,bkhd->bhqk", query, key) * size**-0.5
        weights = self.drop(ops.softmax(scores), training=training)
        x = ops.einsum("bhqk,bkhd->bqhd", weights, value)
        return self.project(ops.reshape(x, (-1, shape[1], channels)))

    def _turn(self, x, cosines, sines):
        prefix, x = x[:, : self.prefix_tokens], x[:, self.prefix_tokens :]
        half = x.shape[-1] // 2
        turned = ops.concatenate([-x[..., half:], x[..., :half]], axis=-1)
        cosines, sines = (ops.cast(a, x.dtype) for a in (cosines, sines))
        return ops.concatenate([prefix, x * cosines + turned * sines], axis=1)

    def compute_output_shape(self, tokens_shape, *angles):
        return tokens_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "prefix_tokens": self.prefix_tokens,
            "query_bias": self.query_bias,
            "key_bias": self.key_bias,
            "value_bias": self.value_bias,
            "dropout": self.dropout,
        }
