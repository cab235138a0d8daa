"""Maps of several strides from the one map of a Vision Transformer."""

import keras
from keras import layers

from keras_seg.layers import Conv
from keras_seg.layers import ConvTranspose
from keras_seg.layers import MaxPool
from keras_seg.ops.backend import channel_axis
from keras_seg.surgery import pyramid

__all__ = ["level_of", "token_pyramid"]

STRIDES = (4, 8, 16, 32)
FILTERS = 256


def token_pyramid(network: keras.Model, data_format: str) -> keras.Model:
    """Adds the simple feature pyramid of ViTDet to a network with one map.

    Source: [Exploring Plain Vision Transformer Backbones for Object Detection](
    https://arxiv.org/abs/2203.16527), section 3.

    Args:
        network: functional `keras.Model` whose output is a map of a stride
            that is a power of two.

    Returns:
        A `keras.Model` with four outputs, the maps of strides 4, 8, 16 and
        32, which it names in `pyramid_outputs`. The layers of the pyramid are
        new.
    """
    stride = max(pyramid(network, verify=False))
    maps = {
        f"P{wanted}": level_of(network.output, stride, wanted, data_format)
        for wanted in STRIDES
    }
    model = keras.Model(network.inputs, list(maps.values()), name=network.name)
    model.pyramid_outputs = maps
    return model


def level_of(
    x: keras.KerasTensor, stride: int, wanted: int, data_format: str
) -> keras.KerasTensor:
    """A map of stride `wanted` from one of `stride`, with 256 channels.

    Transposed convolutions of 2×2, each of half the channels, enlarge it,
    max pooling shrinks it; then come 1×1 and 3×3, each with a layer norm.
    """
    axis = channel_axis(data_format)
    options = {"data_format": data_format}
    name = f"level{wanted}"

    def norm(x, name):
        return layers.LayerNormalization(axis=axis, epsilon=1e-6, name=name)(x)

    while stride > wanted:
        stride //= 2
        filters = max(1, x.shape[axis] // 2)
        up = ConvTranspose(
            filters, 2, strides=2, name=f"{name}_up{stride}", **options
        )
        x = up(x)
        if stride > wanted:
            x = norm(x, f"{name}_up{stride}_norm")
            x = layers.Activation("gelu", name=f"{name}_up{stride}_gelu")(x)
    while stride < wanted:
        stride *= 2
        x = MaxPool(2, name=f"{name}_pool{stride}", **options)(x)
    for size, kind in ((1, "project"), (3, "smooth")):
        conv = Conv(
            FILTERS,
            size,
            padding="same",
            use_bias=False,
            name=f"{name}_{kind}",
            **options,
        )
        x = norm(conv(x), f"{name}_{kind}_norm")
    return x
