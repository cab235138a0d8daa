"""DeepLab v3+: DeepLab v3 with a decoder."""

import os
from collections.abc import Sequence

import keras
from keras import layers

from keras_seg.applications.builder import builder
from keras_seg.applications.deeplab_v3 import deeplab
from keras_seg.arguments import check_positive
from keras_seg.layers import BatchNorm
from keras_seg.layers import Conv
from keras_seg.layers import ResizeLike
from keras_seg.ops.backend import channel_axis

__all__ = ["DeepLabV3Plus"]


@builder
def DeepLabV3Plus(
    backbone: str | keras.Model = "resnet101",
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    output_stride: int = 16,
    multi_grid: Sequence[int] | None = None,
    atrous_rates: Sequence[int] | None = None,
    normalization: str = "batch",
    dropout: float = 0.1,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    decoder_filters: int = 48,
    data_format: str | None = None,
    name: str = "deeplabv3plus",
) -> keras.Model:
    """DeepLab v3+: DeepLab v3 with a decoder on the maps of stride 4.

    The pyramid's map is enlarged to stride 4, joined to the encoder's last
    map of that stride, reduced to 48 channels, and two 3×3 convolutions
    follow. Plain convolutions, as in the paper's comparison on ResNet-101.
    Further arguments, result and errors are those of
    `keras_seg.applications.DeepLabV3`. On ResNet-50 and 101 it has
    40,352,181 and 59,344,309 weights to train, after
    `keras_seg.surgery.drop_biases`. Reference:

    - [Encoder-Decoder with Atrous Separable Convolution for Semantic Image
      Segmentation](https://arxiv.org/abs/1802.02611)

    Args:
        decoder_filters: int, channels that the encoder's map is reduced to.
            Defaults to 48.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.DeepLabV3Plus(
    ...     "mobilenet_v2", weights=None, classes=5)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 5)
    """
    check_positive(decoder_filters=decoder_filters)

    def decode(x, low, data_format):
        return _decode(x, low, decoder_filters, data_format)

    return deeplab(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        classifier_activation=classifier_activation,
        include_preprocessing=include_preprocessing,
        output_stride=output_stride,
        multi_grid=multi_grid,
        atrous_rates=atrous_rates,
        normalization=normalization,
        dropout=dropout,
        freeze_batch_norm=freeze_batch_norm,
        auxiliary=auxiliary,
        data_format=data_format,
        name=name,
        decode=decode,
    )


def _decode(x, low, filters, data_format):
    """The decoder of v3+, on the encoder's map of stride 4."""
    axis = channel_axis(data_format)

    def block(x, filters, kernel_size, name):
        x = Conv(
            filters,
            kernel_size,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            data_format=data_format,
            name=f"{name}_conv",
        )(x)
        x = BatchNorm(axis=axis, epsilon=1e-5, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    low = block(low, filters, 1, "low_level")
    enlarge = ResizeLike(True, data_format=data_format, name="decoder_upscore")
    x = layers.Concatenate(axis=axis, name="decoder_join")(
        [enlarge(x, low), low]
    )
    x = block(x, 256, 3, "decoder_1")
    return block(x, 256, 3, "decoder_2")
