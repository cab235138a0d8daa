"""Encoders whose pools remember, and decoders that put values back.

What SegNet, SegNet-Basic and DeconvNet share.
"""

import os
from collections.abc import Callable
from collections.abc import Sequence

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


def vgg16_blocks(filters: int = 64) -> tuple[tuple[int, ...], ...]:
    """Returns the channels of VGG16's convolutions, block by block.

    >>> vgg16_blocks()[:3]
    ((64, 64), (128, 128), (256, 256, 256))
    """
    plan = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
    return tuple((filters * multiple,) * count for count, multiple in plan)


def prepare_for_vgg16(
    image: keras.KerasTensor,
    include_preprocessing: bool,
    data_format: str,
    minimum: int = 1,
) -> keras.KerasTensor:
    """Preprocesses the image as VGG16's were, and pads small ones.

    A gray image is repeated for red, green and blue; two channels, which are
    no colors, are taken as they come.
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


def normalize(
    convolution: keras.Layer, x: keras.KerasTensor, relu: bool = True
) -> keras.KerasTensor:
    """Applies a convolution, then batch norm and ReLU, named after it."""
    axis, name = channel_axis(convolution.data_format), convolution.name
    x = BatchNorm(axis=axis, epsilon=1e-5, name=f"{name}_norm")(convolution(x))
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def encode(
    x: keras.KerasTensor,
    blocks: Sequence[Sequence[int]],
    convolution: Callable[..., keras.Layer],
    data_format: str,
) -> tuple[keras.KerasTensor, list[tuple]]:
    """Applies blocks of convolutions, batch norm and ReLU, each with a pool.

    `convolution` makes a layer of a number of channels and a `name`. Also
    returns what `MaxUnpool` needs of each pool: its switches and the map that
    was pooled.
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
    x: keras.KerasTensor,
    memory: list[tuple],
    blocks: Sequence[tuple[int, ...]],
    convolution: Callable[..., keras.Layer],
    data_format: str,
    relu: bool = True,
    complete: bool = True,
) -> keras.KerasTensor:
    """The encoder's mirror image: un-pooling, then convolutions.

    The last convolution of a block makes the channels of the block that
    follows, whose switches it meets. `complete=False` leaves the very last
    convolution to the caller, who makes the scores with it.
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


def begin_from_vgg16(
    model: keras.Model,
    weights: str | os.PathLike | None,
    channels: int,
    include_top: bool = False,
) -> None:
    """Gives a model's layers VGG16's weights, by their names.

    Of two `channels` the images take the first two of VGG16's three; the
    kernels of those after the third begin at zero. `include_top` says whether
    the model has `fc1` and `fc2` as convolutions.
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
