"""The pyramid of DeepLab v3: several rates and the mean, joined."""

import math
import warnings

import keras
from keras import ops

from keras_seg.fast.layers import BatchNorm
from keras_seg.layers.base import SpatialLayer

__all__ = ["JoinedPyramid"]


class JoinedPyramid(SpatialLayer):
    """1×1, a 3×3 with holes for each rate, and the mean; joined by a 1×1.

    The part of `keras_seg.layers.ASPP` that computes version "v3".

    Args:
        conv: function that makes an `AtrousConv`: name, kernel size, rate.
        filters: int, channels of every convolution.
        rates: ints.
        dropout: float.
        normalization: `"batch"`, `"group"` or `"frozen"`.
        momentum: float, of batch norm.
        **kwargs: of `keras_seg.layers.base.SpatialLayer`.
    """

    def __init__(
        self, conv, filters, rates, dropout, normalization, momentum, **kwargs
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.normalization = normalization
        self.momentum = momentum
        self._warned = False
        sizes = [(1, 1), *((3, rate) for rate in rates)]
        self.convs = [
            conv(f"conv_{number}", *size, use_bias=False)
            for number, size in enumerate(sizes)
        ]
        self.norms = [self._norm(f"norm_{n}") for n in range(len(sizes))]
        self.pool_conv = conv("pool_conv", use_bias=False)
        self.pool_norm = self._norm("pool_norm")
        self.project_conv = conv("project_conv", use_bias=False)
        self.project_norm = self._norm("project_norm")
        self.drop = keras.layers.Dropout(
            dropout, dtype=self.dtype_policy, name="drop"
        )

    def _norm(self, name):
        common = {
            "axis": self.channel_axis,
            "epsilon": 1e-5,
            "dtype": self.dtype_policy,
            "name": name,
        }
        if self.normalization == "group":
            groups = math.gcd(32, self.filters // 8) or 1
            if self.filters % groups:
                groups = 1
            return keras.layers.GroupNormalization(groups, **common)
        norm = BatchNorm(momentum=self.momentum, **common)
        norm.trainable = self.normalization == "batch"
        return norm

    def build(self, input_shape):
        for conv, norm in zip(self.convs, self.norms, strict=True):
            _build(conv, norm, input_shape)
        pooled_shape = self.with_spatial_shape(input_shape, 1, 1)
        _build(self.pool_conv, self.pool_norm, pooled_shape)
        joined_shape = list(input_shape)
        joined_shape[self.channel_axis] = self.filters * (len(self.convs) + 1)
        _build(self.project_conv, self.project_norm, tuple(joined_shape))
        self.built = True

    def call(self, inputs, training=False):
        self._warn_of_dead_pooling(inputs, training)
        maps = [
            self._normed(conv(inputs), norm, training)
            for conv, norm in zip(self.convs, self.norms, strict=True)
        ]
        # In half precision a sum over the map may overflow.
        mean = ops.mean(
            ops.cast(inputs, "float32"), axis=self.spatial_axes, keepdims=True
        )
        pooled = self.pool_conv(ops.cast(mean, self.compute_dtype))
        pooled = self._normed(pooled, self.pool_norm, training)
        # Bilinear resizing of a single position repeats it.
        maps.append(ops.add(pooled, ops.zeros_like(maps[0])))
        x = self.project_conv(ops.concatenate(maps, axis=self.channel_axis))
        x = self._normed(x, self.project_norm, training)
        return self.drop(x, training=training)

    def _normed(self, x, norm, training):
        training = training and self.normalization != "frozen"
        return ops.relu(norm(x, training=training))

    def _warn_of_dead_pooling(self, inputs, training):
        if (
            training is True
            and self.normalization == "batch"
            and self.pool_norm.trainable
            and inputs.shape[0] == 1
            and not self._warned
        ):
            self._warned = True
            warnings.warn(
                f"The image pooling of ASPP layer '{self.name}' is trained "
                "with batch norm and a batch of 1: its branch gives a "
                "constant and learns nothing. Use a larger batch, "
                "normalization='group', or normalization='frozen' with "
                "pretrained weights.",
                stacklevel=2,
            )


def _build(conv, norm, shape):
    conv.build(shape)
    norm.build(conv.compute_output_shape(shape))
