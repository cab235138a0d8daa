"""Atrous spatial pyramid pooling, in the three forms of the papers."""

import functools
import math
import warnings
from collections.abc import Sequence
from typing import Any
from typing import Self

import keras
from keras import initializers
from keras import ops
from keras import regularizers

from keras_seg.arguments import check_one_of
from keras_seg.arguments import check_positive
from keras_seg.fast.layers import BatchNorm
from keras_seg.layers.atrous_conv import AtrousConv
from keras_seg.layers.base import SpatialLayer

__all__ = ["ASPP", "scale_rates"]

DROPOUT = {"v2_vgg16": 0.5, "v2": 0.0, "v3": 0.1}
NORMALIZATIONS = ("batch", "group", "frozen")


@keras.saving.register_keras_serializable(package="keras_seg")
class ASPP(SpatialLayer):
    """Atrous spatial pyramid pooling: convolutions at several rates.

    * `"v2_vgg16"`: a branch for each rate: 3×3 with holes, ReLU, dropout;
      1×1, ReLU, dropout; 1×1. Their sum.
    * `"v2"`: a 3×3 convolution with holes for each rate. Their sum.
    * `"v3"`: a 1×1 convolution, a 3×3 one with holes for each rate, and the
      mean of the map through a 1×1 one. Concatenated, then 1×1, dropout.

    The first two are those of [DeepLab v2](https://arxiv.org/abs/1606.00915)
    on VGG-16 (fc6, fc7, fc8) and on ResNet-101, at output stride 8: they end
    in the scores of the classes, have biases and no norm. Rates: ASPP-S
    2, 4, 8, 12; ASPP-L 6, 12, 18, 24; LargeFOV is one branch of rate 12.

    The third is that of [DeepLab v3](https://arxiv.org/abs/1706.05587), with
    256 filters and rates 6, 12, 18 at output stride 16. Every convolution is
    followed by norm and ReLU and has no bias; the branches are concatenated
    in the order 1×1, rates, mean.

    Rates are distances on the map: at half the output stride they double
    (`for_output_stride`).

    The mean of the map is one value per channel and image. With a batch of 1,
    batch norm in training reduces it to the offset, and the branch learns
    nothing. This layer then warns, if the batch size is known. Use a larger
    batch, `normalization="group"`, or `"frozen"` with pretrained weights.

    Args:
        filters: int, channels of the output: of the classes for `"v2_vgg16"`
            and `"v2"`, 256 in the paper for `"v3"`.
        atrous_rates: ints, one for each atrous branch. `"v3"` may have none:
            `()`, as the authors' networks for phones. Defaults to
            `(6, 12, 18)`.
        version: `"v3"`, `"v2"` or `"v2_vgg16"`. Defaults to `"v3"`.
        hidden_filters: int, channels between the convolutions of
            `"v2_vgg16"`. Defaults to 1024.
        dropout: float in [0, 1), the dropout rate. Defaults to None: 0.5 for
            `"v2_vgg16"`; 0.1 for `"v3"`, as in the authors' code (the paper
            has none). `"v2"` has none.
        normalization: for `"v3"`: `"batch"`; `"group"`, up to 32 groups of
            at least 8 channels; or `"frozen"`, batch norm that keeps its
            statistics and does not train. Defaults to `"batch"`.
        momentum: float, of the statistics of batch norm. Defaults to 0.99;
            the authors' 0.9997 needs tens of thousands of steps.
        kernel_initializer: of the kernels. Defaults to `"glorot_uniform"`.
        kernel_regularizer: of the kernels, or None.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        The same with `filters` channels.

    Raises:
        ValueError: If `filters` or a rate is below 1, the version or the
            normalization is unknown, or `dropout` is not in [0, 1).

    Example:

    >>> import numpy as np
    >>> layer = ASPP(21, atrous_rates=(6, 12, 18, 24), version="v2")
    >>> tuple(layer(np.zeros((1, 41, 41, 8))).shape)
    (1, 41, 41, 21)
    >>> ASPP(256).for_output_stride(8).atrous_rates
    (12, 24, 36)
    """

    renamed = {"rates": "atrous_rates"}

    def __init__(
        self,
        filters: int,
        atrous_rates: Sequence[int] = (6, 12, 18),
        version: str = "v3",
        hidden_filters: int = 1024,
        dropout: float | None = None,
        normalization: str = "batch",
        momentum: float = 0.99,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        kernel_regularizer: str | regularizers.Regularizer | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_positive(filters=filters, hidden_filters=hidden_filters)
        self.filters = filters
        check_one_of(DROPOUT, version=version)
        check_one_of(NORMALIZATIONS, normalization=normalization)
        self.version = version
        self.atrous_rates = _standardize_rates(atrous_rates, version)
        self.hidden_filters = hidden_filters
        self.dropout = DROPOUT[version] if dropout is None else dropout
        if not 0 <= self.dropout < 1 or (version == "v2" and self.dropout):
            raise ValueError(
                "`dropout` must be at least 0 and below 1, and 0 or None for "
                f"version 'v2'. Received: dropout={dropout!r}, "
                f"version={version!r}"
            )
        self.normalization = normalization
        self.momentum = momentum
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        form = _JoinedPyramid if version == "v3" else _SummedBranches
        self.form = form(self)

    def conv(
        self, name: str, kernel_size: int = 1, rate: int = 1, **arguments: Any
    ) -> AtrousConv:
        """A convolution with the settings of this layer, unless given."""
        initializer = self.kernel_initializer
        if isinstance(initializer, initializers.Initializer):
            # An initializer gives every kernel of a shape the same values.
            initializer = initializer.clone()
        return AtrousConv(
            kernel_size=kernel_size,
            dilation_rate=rate,
            kernel_initializer=initializer,
            kernel_regularizer=self.kernel_regularizer,
            data_format=self.data_format,
            dtype=self.dtype_policy,
            name=name,
            **{"filters": self.filters, **arguments},
        )

    def for_output_stride(
        self, output_stride: int, reference_stride: int = 16
    ) -> Self:
        """Returns this layer, unbuilt, for another output stride.

        Args:
            output_stride: int, of the network that the layer is for.
            reference_stride: int, of the network that this layer is for.
                Defaults to 16, the output stride of v3's rates 6, 12, 18;
                that of v2's rates is 8.

        Raises:
            ValueError: If the scaled rates are not integers.
        """
        rates = scale_rates(self.atrous_rates, output_stride, reference_stride)
        return type(self).from_config(
            {**self.get_config(), "atrous_rates": rates}
        )

    def build(self, input_shape):
        self.form.build(input_shape)
        self.built = True

    def call(
        self, inputs: keras.KerasTensor, training: bool = False
    ) -> keras.KerasTensor:
        return self.form(inputs, training=training)

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        shape[self.channel_axis] = self.filters
        return tuple(shape)

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_initializer": initializers.serialize(
                self.kernel_initializer
            ),
            "kernel_regularizer": regularizers.serialize(
                self.kernel_regularizer
            ),
        }


def _standardize_rates(rates: Any, version: str) -> tuple[int, ...]:
    none = not rates and version != "v3"
    if not isinstance(rates, (tuple, list)) or none:
        raise ValueError(
            "`atrous_rates` must be integers, at least one unless the version "
            f"is 'v3'. Received: atrous_rates={rates!r}, version={version!r}"
        )
    for rate in rates:
        check_positive(atrous_rates=rate)
    return tuple(rates)


def scale_rates(
    rates: Sequence[int], output_stride: int, reference_stride: int = 16
) -> tuple[int, ...]:
    """Scales rates to another output stride, at which they span as many pixels.

    Raises a `ValueError` if they are not integers there.

    Example:

    >>> scale_rates((6, 12, 18), output_stride=8)
    (12, 24, 36)
    """
    products = [rate * reference_stride for rate in rates]
    if any(product % output_stride for product in products):
        raise ValueError(
            f"The rates {rates} of output stride {reference_stride} "
            "have no integer equivalent. "
            f"Received: output_stride={output_stride!r}"
        )
    return tuple(product // output_stride for product in products)


def _fc(aspp: ASPP, number: int, rate: int) -> list[keras.layers.Layer]:
    return [aspp.conv(f"fc_{number}", 3, rate)]


def _fc6_to_fc8(aspp: ASPP, number: int, rate: int) -> list[keras.layers.Layer]:
    hidden = functools.partial(
        aspp.conv, filters=aspp.hidden_filters, activation="relu"
    )
    drop = functools.partial(
        keras.layers.Dropout, aspp.dropout, dtype=aspp.dtype_policy
    )
    return [
        hidden(f"fc6_{number}", 3, rate),
        drop(name=f"drop6_{number}"),
        hidden(f"fc7_{number}"),
        drop(name=f"drop7_{number}"),
        aspp.conv(f"fc8_{number}"),
    ]


class _SummedBranches(keras.layers.Layer):
    """The sum of branches, each a chain of layers; all of one length."""

    def __init__(self, aspp: ASPP):
        super().__init__(dtype=aspp.dtype_policy, name=aspp.name)
        chain = _fc6_to_fc8 if aspp.version == "v2_vgg16" else _fc
        branches = [
            chain(aspp, number, rate)
            for number, rate in enumerate(aspp.atrous_rates, start=1)
        ]
        self.length = len(branches[0])
        # Keras saves the layers of a list, not those of a list of lists.
        self.steps = [layer for branch in branches for layer in branch]

    @property
    def branches(self) -> list[list[keras.layers.Layer]]:
        starts = range(0, len(self.steps), self.length)
        return [self.steps[start : start + self.length] for start in starts]

    def build(self, input_shape):
        for branch in self.branches:
            shape = input_shape
            for layer in branch:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, inputs, training=False):
        scores = []
        for branch in self.branches:
            x = inputs
            for layer in branch:
                drops = isinstance(layer, keras.layers.Dropout)
                x = layer(x, training=training) if drops else layer(x)
            scores.append(x)
        return functools.reduce(ops.add, scores)


class _JoinedPyramid(SpatialLayer):
    """1×1, a 3×3 with holes for each rate, and the mean; joined by a 1×1."""

    def __init__(self, aspp: ASPP):
        super().__init__(
            aspp.data_format, dtype=aspp.dtype_policy, name=aspp.name
        )
        self.filters = aspp.filters
        self.normalization = aspp.normalization
        self.momentum = aspp.momentum
        self._warned = False
        conv = functools.partial(aspp.conv, use_bias=False)
        sizes = [(1, 1), *((3, rate) for rate in aspp.atrous_rates)]
        self.convs = [
            conv(f"conv_{number}", *size) for number, size in enumerate(sizes)
        ]
        self.norms = [self._norm(f"norm_{n}") for n in range(len(sizes))]
        self.pool_conv = conv("pool_conv")
        self.pool_norm = self._norm("pool_norm")
        self.project_conv = conv("project_conv")
        self.project_norm = self._norm("project_norm")
        self.drop = keras.layers.Dropout(
            aspp.dropout, dtype=self.dtype_policy, name="drop"
        )

    def _norm(self, name: str) -> keras.layers.Layer:
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

    def _normed(
        self, x: keras.KerasTensor, norm: keras.layers.Layer, training: bool
    ) -> keras.KerasTensor:
        training = training and self.normalization != "frozen"
        return ops.relu(norm(x, training=training))

    def _warn_of_dead_pooling(
        self, inputs: keras.KerasTensor, training: bool
    ) -> None:
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
