"""U-Net, with its own encoder or any classifier's."""

import os
from collections.abc import Sequence

import keras
from keras import layers

from keras_seg.applications.assembly import begin
from keras_seg.applications.assembly import fcn_head
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import image_input
from keras_seg.applications.assembly import prepare
from keras_seg.applications.backbones import maps_fit
from keras_seg.applications.builder import builder
from keras_seg.applications.builder import without_effect
from keras_seg.applications.weights import check_weights
from keras_seg.arguments import check_positive
from keras_seg.layers import Conv
from keras_seg.layers import ConvTranspose
from keras_seg.layers import CropLike
from keras_seg.layers import MaxPool
from keras_seg.layers import ResizeLike
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import standardize_data_format
from keras_seg.surgery import pyramid

__all__ = ["UNet"]


@builder
def UNet(
    backbone: str | keras.Model | None = None,
    weights: str | os.PathLike | None = None,
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 2,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    filters: int | None = None,
    depth: int | None = None,
    padding: str = "same",
    dropout: float = 0.5,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    data_format: str | None = None,
    name: str = "unet",
) -> keras.Model:
    """U-Net: an encoder, and a decoder that sees every map of it again.

    On the way down, two 3×3 convolutions with ReLU at each level and 2×2
    max pooling between; on the way up, a 2×2 transposed convolution halves
    the channels, the encoder's map of that size is joined to it, and two
    3×3 convolutions follow. Reference:

    - [U-Net: Convolutional Networks for Biomedical Image Segmentation](
      https://arxiv.org/abs/1505.04597) (MICCAI 2015)

    Layers and parameters are the paper's (31,030,658 for one channel and two
    classes), and weights start as there, He normal. The paper's convolutions
    do not pad: with `padding="valid"` an image of 572 gives logits for the
    388 pixels in its middle, and n pixels those for n - 184, where n is 12
    above a multiple of 16. By default convolutions keep the size of their
    maps, and any image gives logits of its size.

    Args:
        backbone: None for the paper's encoder; or a name of
            `keras.applications`, or a functional `keras.Model` of any image
            classifier or encoder, whose maps at every stride are joined.
            Defaults to None.
        weights: None for random weights, `"imagenet"`, or the path of a file
            with the weights of the backbone; for a backbone given by name.
            Weights of the whole network load with `model.load_weights`.
            Defaults to None.
        input_shape: shape of the image without the batch. Defaults to
            `(None, None, 3)`, any size.
        classes: int, at least 1. Defaults to 2.
        include_preprocessing: bool. Whether images come as RGB of 0 … 255
            and the preprocessing (the backbone's; without one, to -1 … 1) is
            part of the network. Images of other channels are taken as they
            come. Defaults to True.
        filters: int, channels of the level at the size of the image, doubled
            at each further one. Defaults to the paper's 64, and with a
            backbone to 16: 256 to 16 from the bottom up, as such decoders
            usually have. At 224×224 MobileNetV2 multiplies 0.3 billion times,
            its decoder 2.4 billion times with 16, 24.6 with 64.
        depth: int, number of times the own encoder halves the map, 4 if not
            given; a backbone has its own.
        padding: `"same"`, or the paper's `"valid"`, for its own encoder.
            Defaults to `"same"`.
        dropout: float, rate at the end of the contracting path. Defaults
            to 0.5.
        auxiliary: bool, whether there is a second output, the logits of a
            head on the map at the bottom, for a second loss in training; with
            padding `"same"`. Defaults to False.
        input_tensor, classifier_activation, freeze_batch_norm, data_format,
            name: see `keras_seg.applications.FCN32s`.

    Returns:
        A functional `keras.Model`: images of any size to float32 logits
        `(batch, height, width, classes)` of the same size, or of the middle
        with `padding="valid"`.

    Raises:
        ValueError: If an argument is out of range. The message names it.
        OSError: If weights cannot be downloaded.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.UNet(classes=3, filters=8, depth=2)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 3)
    """
    check_weights(weights)
    if weights is not None and backbone is None:
        raise ValueError(
            "The paper's encoder begins from random weights: `weights` are "
            "those of a backbone. Received: "
            f"weights={str(weights)!r}, backbone=None"
        )
    check_positive(classes=classes)
    if filters is None:
        filters = 64 if backbone is None else 16
    check_positive(filters=filters)
    if backbone is not None:
        why = "on a backbone, which has a depth of its own"
        without_effect("depth", depth, None, why)
    depth = 4 if depth is None else depth
    check_positive(depth=depth)
    if isinstance(backbone, keras.Model):
        why = "on a backbone given as a model, which keeps its own"
        without_effect("weights", weights, None, why)
    data_format = standardize_data_format(data_format)
    valid = padding == "valid"
    if padding not in ("same", "valid") or (valid and backbone is not None):
        raise ValueError(
            "`padding` must be 'same', or 'valid' without a backbone. "
            f"Received: padding={padding!r}, backbone={backbone!r}"
        )
    if valid and auxiliary:
        raise ValueError(
            "An unpadded U-Net has no auxiliary head. "
            "Received: auxiliary=True, padding='valid'"
        )
    block = _Block(filters, padding, data_format)

    fit = True
    if backbone is None:
        why = "without a backbone: the paper's encoder has no batch norm"
        without_effect("freeze_batch_norm", freeze_batch_norm, False, why)
        image = image_input(input_tensor, input_shape, data_format)
        if valid:
            _check_size(image, depth, data_format)
        rgb = image.shape[channel_axis(data_format)] == 3
        if not rgb:
            why = "on images of other than 3 channels, taken as they come"
            without_effect(
                "include_preprocessing", include_preprocessing, True, why
            )
        mode = "tf" if include_preprocessing and rgb else None
        multiple = 1 if valid else 2**depth
        x = padded = prepare(image, mode, multiple, data_format)
        levels = {}
        for level in range(depth):
            x = levels[2**level] = block.convolve(x, level, "encoder")
            x = MaxPool(2, data_format=data_format, name=f"pool{level + 1}")(x)
        x = block.convolve(x, depth, "bottom")
    else:
        image, padded, network, _ = begin(
            backbone,
            weights,
            input_tensor=input_tensor,
            input_shape=input_shape,
            classes=classes,
            include_preprocessing=include_preprocessing,
            data_format=data_format,
            dropout=dropout,
            freeze_batch_norm=freeze_batch_norm,
            several=True,
        )
        levels = pyramid(network, verify=False)
        fit = maps_fit(network, padded, levels, data_format)
        stride, x = levels.popitem()
        depth = stride.bit_length() - 1
    x = layers.Dropout(dropout, name="dropout")(x)
    second = None
    if auxiliary:
        second = fcn_head(x, classes, data_format)

    for level in reversed(range(depth)):
        x = block.enlarge(x, level)
        if 2**level in levels:
            join = layers.Concatenate(
                axis=channel_axis(data_format), name=f"join{level + 1}"
            )
            skip = levels[2**level]
            if valid:
                # 4, 16, 40, 88: twice what is lost below, and 8 more.
                offset = 6 * 2 ** (depth - level) - 8
                crop = CropLike(
                    offset, data_format=data_format, name=f"crop{level + 1}"
                )
                skip = crop(skip, x)
            if not fit:
                x = ResizeLike(
                    data_format=data_format, name=f"resize{level + 1}"
                )(x, skip)
            x = join([skip, x])
        x = block.convolve(x, level, "decoder")
    scores = Conv(
        classes,
        1,
        kernel_initializer="he_normal",
        data_format=data_format,
        name="score_fr",
    )(x)
    return finish(
        scores,
        image,
        classifier_activation,
        data_format,
        name,
        padded,
        auxiliary=second,
        enlarge=not fit,
        crop=not valid,
    )


def _check_size(image: keras.KerasTensor, depth: int, data_format: str) -> None:
    """Refuses an image that gives a pool a map of odd size."""
    for axis in spatial_axes(data_format):
        size = image.shape[axis]
        if size is None or _fits(size, depth):
            continue
        larger = next(n for n in range(size, 2**20) if _fits(n, depth))
        raise ValueError(
            "An unpadded U-Net takes sides whose maps are even where they are "
            f"pooled. The next one is {larger}. Received: image of shape "
            f"{tuple(image.shape)}"
        )


def _fits(size: int, depth: int) -> bool:
    for _ in range(depth):
        if size < 6 or size % 2:
            return False
        size = (size - 4) // 2
    return size > 4 + 4 * (2**depth - 1) / 2**depth


class _Block:
    """The convolutions of one level, which has `filters · 2^level`."""

    def __init__(self, filters: int, padding: str, data_format: str):
        self.filters = filters
        self.options = {
            "kernel_initializer": "he_normal",
            "padding": padding,
            "data_format": data_format,
        }

    def convolve(
        self, x: keras.KerasTensor, level: int, path: str
    ) -> keras.KerasTensor:
        for number in (1, 2):
            x = Conv(
                self.filters * 2**level,
                3,
                activation="relu",
                name=f"{path}{level + 1}_conv{number}",
                **self.options,
            )(x)
        return x

    def enlarge(self, x: keras.KerasTensor, level: int) -> keras.KerasTensor:
        return ConvTranspose(
            self.filters * 2**level,
            2,
            strides=2,
            name=f"up{level + 1}",
            **self.options,
        )(x)
