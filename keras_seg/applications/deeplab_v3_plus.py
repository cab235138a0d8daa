"""DeepLab v3+: DeepLab v3 with a decoder."""

from keras import layers

from keras_seg.applications.builder import builder
from keras_seg.applications.deeplab_v3 import deeplab
from keras_seg.layers import BatchNorm
from keras_seg.layers import Conv
from keras_seg.layers import ResizeLike
from keras_seg.layers.base import positive_int
from keras_seg.ops.backend import channel_axis

__all__ = ["DeepLabV3Plus"]


@builder
def DeepLabV3Plus(
    backbone="resnet101",
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    classes=21,
    classifier_activation=None,
    include_preprocessing=True,
    output_stride=16,
    multi_grid=None,
    rates=None,
    normalization="batch",
    dropout=0.1,
    freeze_batch_norm=False,
    auxiliary=False,
    decoder_filters=48,
    data_format=None,
    name="deeplabv3plus",
):
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
    options = dict(locals())
    filters = positive_int("decoder_filters", options.pop("decoder_filters"))

    def decode(x, low, data_format):
        return _decode(x, low, filters, data_format)

    return deeplab(**options, decode=decode)


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
