"""Encoders whose pools remember, and decoders that put values back.

What SegNet, SegNet-Basic and DeconvNet share.
"""

import keras
from keras import layers

from keras_seg.applications import weights as weight_files
from keras_seg.applications.assembly import as_rgb
from keras_seg.applications.assembly import prepare
from keras_seg.applications.builder import without_effect
from keras_seg.layers import BatchNorm
from keras_seg.layers import MaxPoolWithIndices
from keras_seg.layers import MaxUnpool
from keras_seg.layers.metadata import note
from keras_seg.ops.backend import channel_axis
from keras_seg.surgery import fully_convolutional
from keras_seg.surgery import inflate_input
from keras_seg.surgery import transplant

__all__ = [
    "begin_from_vgg16",
    "decode",
    "encode",
    "normalize",
    "prepare_for_vgg16",
    "vgg16_blocks",
]


def vgg16_blocks(filters=64):
    """The channels of VGG16's convolutions, block by block.

    Example:

    >>> vgg16_blocks()[:3]
    ((64, 64), (128, 128), (256, 256, 256))
    """
    plan = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
    return tuple((filters * multiple,) * count for count, multiple in plan)


def prepare_for_vgg16(image, include_preprocessing, data_format, minimum=1):
    """Preprocesses the image as VGG16's were, and pads small ones.

    A gray image is taken for red, green and blue alike; two channels, which
    are no colors, are taken as they come.

    Args:
        image: tensor of images.
        include_preprocessing: bool.
        data_format: `"channels_last"` or `"channels_first"`.
        minimum: int, the smallest size. Defaults to 1.
    """
    x = as_rgb(image, data_format)
    colors = x.shape[channel_axis(data_format)] >= 3
    if not colors:
        why = "on images of 2 channels, which are taken as they come"
        without_effect(
            "include_preprocessing", include_preprocessing, True, why
        )
    mode = "caffe" if include_preprocessing and colors else None
    return prepare(x, mode, 1, data_format, minimum=minimum)


def normalize(convolution, x, relu=True):
    """Applies a convolution, then batch norm and ReLU, named after it.

    Args:
        convolution: layer, a convolution or a transposed one.
        x: tensor of maps.
        relu: bool, whether a ReLU follows.
    """
    axis, name = channel_axis(convolution.data_format), convolution.name
    x = BatchNorm(axis=axis, epsilon=1e-5, name=f"{name}_norm")(convolution(x))
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def encode(x, blocks, convolution, data_format):
    """Blocks of convolutions, batch norm and ReLU, a pool behind each.

    Args:
        x: tensor of images.
        blocks: tuple of tuples of ints, the channels of the convolutions.
        convolution: function of a number of channels and a `name` to a
            layer.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        `(x, memory)`: the last pool's maps, and for each pool what `MaxUnpool`
        is told: its switches and the map that was pooled.
    """
    memory = []
    for block, widths in enumerate(blocks, start=1):
        for number, width in enumerate(widths, start=1):
            layer = convolution(width, name=f"block{block}_conv{number}")
            x = normalize(layer, x)
        pool = MaxPoolWithIndices(
            2, data_format=data_format, name=f"block{block}_pool"
        )
        before = x
        x, switches = pool(before)
        memory.append((switches, before))
    return x, memory


def decode(
    x, memory, blocks, convolution, data_format, relu=True, complete=True
):
    """The encoder's mirror image: un-pooling, then convolutions.

    The last convolution of a block makes the channels of the block that
    follows, whose switches it meets.

    Args:
        x: tensor, maps with the channels of the last switches.
        memory: list, from `encode`.
        blocks: as in `encode`.
        convolution: as in `encode`.
        data_format: `"channels_last"` or `"channels_first"`.
        relu: bool, whether a ReLU follows each batch norm.
        complete: bool, False to leave the very last convolution to the
            caller, who makes the scores with it.
    """
    for block in range(len(blocks), 0, -1):
        unpool = MaxUnpool(2, data_format=data_format, name=f"unpool{block}")
        x = unpool(x, *memory[block - 1])
        count = len(blocks[block - 1])
        widths = blocks[block - 1][1:] + blocks[max(0, block - 2)][-1:]
        if block == 1 and not complete:
            widths = widths[:-1]
        for place, width in enumerate(widths):
            name = f"decoder{block}_conv{count - place}"
            x = normalize(convolution(width, name=name), x, relu)
    return x


def begin_from_vgg16(model, weights, channels, include_top=False):
    """Gives a model's layers VGG16's weights, by their names.

    Args:
        model: `keras.Model`, changed in place.
        weights: None, to leave it as it is; `"imagenet"` or a path.
        channels: int, of its images: of two, the first two of VGG16's three
            are taken; the kernels of those after the third begin at zero.
        include_top: bool, whether it has VGG16's hidden fully connected
            layers, `fc1` and `fc2`, as convolutions.

    Raises:
        OSError, ValueError: as `keras_seg.applications.weights.build`.
        ValueError: if the layers have other shapes than VGG16's.
    """
    if weights is None:
        return
    vgg = weight_files.build(keras.applications.VGG16, weights, include_top, {})
    if include_top:
        vgg = fully_convolutional(vgg)
    if channels not in (1, 3):
        vgg = inflate_input(vgg, channels)
    names = transplant(vgg, model)
    note(model, backbone=list(names))
