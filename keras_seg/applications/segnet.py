"""SegNet and SegNet-Basic: decoders that put values where maxima were."""

import functools
import os
from collections.abc import Sequence

import keras

from keras_seg.applications.assembly import fcn_head
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import image_input
from keras_seg.applications.batch_norm import freeze_batch_norm as freeze
from keras_seg.applications.builder import builder
from keras_seg.applications.vgg_switches import begin_from_vgg16
from keras_seg.applications.vgg_switches import decode
from keras_seg.applications.vgg_switches import encode
from keras_seg.applications.vgg_switches import prepare_for_vgg16
from keras_seg.applications.vgg_switches import vgg16_blocks
from keras_seg.applications.weights import check_weights
from keras_seg.arguments import check_positive
from keras_seg.layers import Conv
from keras_seg.layers import LocalResponseNormalization
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import standardize_data_format

__all__ = ["SegNet", "SegNetBasic"]


@builder
def SegNet(
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 11,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    filters: int = 64,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    data_format: str | None = None,
    name: str = "segnet",
) -> keras.Model:
    """SegNet: VGG16's convolutions, and their mirror image as a decoder.

    Every convolution is followed by batch norm and ReLU. The pools remember
    where their maxima were, and the decoder un-pools to these places; no
    features pass from the encoder to the decoder, only places. The last
    convolution makes the scores, without batch norm and ReLU. 29,449,355
    weights to train for 11 classes. Reference:

    - [SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
      Segmentation](https://arxiv.org/abs/1511.00561)

    Pools round up, so maps have odd sizes (360×480 goes 23×30 and 12×15);
    each un-pooling is told the size of the map that was pooled. Batch norm's
    epsilon is 1e-5, where the authors' is 1e-9; He normal kernels are
    Keras's, truncated.

    Args:
        weights: None for random weights, `"imagenet"`, or the path of a file
            with the weights of VGG16: of the encoder's convolutions. Weights
            of the whole network load with `model.load_weights`. Defaults to
            `"imagenet"`.
        input_tensor: tensor to use as the image. Defaults to a new input.
        input_shape: shape of the image without the batch. Defaults to
            `(None, None, 3)`, any size. A gray image, of 1 channel, is taken
            for red, green and blue alike; with more than 3 channels, the
            first are these, and the kernels of the others begin at zero
            where `weights` are given. Two channels are taken as they come.
        classes: int, at least 1. Defaults to 11, of CamVid.
        classifier_activation: name of an activation, or None for logits.
            Defaults to None.
        include_preprocessing: bool, whether images come as RGB of 0 … 255 or
            are preprocessed already (BGR minus the mean). Defaults to True.
        filters: int, of the first block. Defaults to 64; other numbers leave
            VGG16's plan, and need `weights=None`.
        freeze_batch_norm: bool, whether batch norm keeps its statistics and
            is not trained: for weights that are loaded, or small batches.
            Defaults to False.
        auxiliary: bool, whether there is a second output, the logits of a
            head on the last map that is pooled, for a second loss in
            training. Defaults to False.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting: of the image and inside the network.
        name: str, name of the model.

    Returns:
        A functional `keras.Model`: images of any size to float32 logits
        `(batch, height, width, classes)` of the same size.

    Raises:
        ValueError: If an argument is out of range. The message names it.
        OSError: If weights cannot be downloaded.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.SegNet(weights=None, filters=4)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 11)
    """
    check_weights(weights)
    check_positive(classes=classes, filters=filters)
    if weights is not None and filters != 64:
        raise ValueError(
            "VGG16's weights are for 64 filters. "
            f"Received: weights={str(weights)!r}, filters={filters}"
        )
    data_format = standardize_data_format(data_format)
    image = image_input(input_tensor, input_shape, data_format)
    convolution = functools.partial(
        Conv,
        kernel_size=3,
        padding="same",
        kernel_initializer="he_normal",
        data_format=data_format,
    )
    blocks = vgg16_blocks(filters)
    padded = prepare_for_vgg16(image, include_preprocessing, data_format)
    x, memory = encode(padded, blocks, convolution, data_format)
    second = None
    if auxiliary:
        _, pooled = memory[-1]
        second = fcn_head(pooled, classes, data_format)
    x = decode(x, memory, blocks, convolution, data_format, complete=False)
    model = finish(
        convolution(classes, name="score_fr")(x),
        image,
        classifier_activation,
        data_format,
        name,
        padded,
        auxiliary=second,
        enlarge=False,
    )
    begin_from_vgg16(model, weights, image.shape[channel_axis(data_format)])
    return freeze(model) if freeze_batch_norm else model


@builder
def SegNetBasic(
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 11,
    classifier_activation: str | None = None,
    filters: int = 64,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    data_format: str | None = None,
    name: str = "segnet_basic",
) -> keras.Model:
    """SegNet-Basic: the small SegNet, to be trained from random weights.

    Local response normalization of the image; four times a 7×7 convolution,
    batch norm, ReLU and a 2×2 pool that remembers where its maxima were;
    four times un-pooling to these places, a 7×7 convolution and batch norm,
    without ReLU; a 1×1 convolution for the scores. 1,416,587 weights to
    train for 11 classes, 1,024 of them batch norm's. A value of the last
    pool sees 106×106 pixels. Reference:

    - [SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
      Segmentation](https://arxiv.org/abs/1511.00561)

    The convolutions have biases, as in the authors' network and not as in
    their text. Pools round up, and each un-pooling is told the size of the
    map that was pooled. Batch norm's epsilon is 1e-5, where the authors' is
    1e-9, and its shift begins at 0, where theirs does at 0.001; He normal
    kernels are Keras's, truncated.

    It takes values of 0 … 255 and any number of channels as they come.
    Further arguments, result and errors are those of
    `keras_seg.applications.SegNet`.

    Args:
        filters: int, of every convolution but the last. Defaults to 64.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.SegNetBasic(filters=4)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 11)
    """
    check_positive(classes=classes, filters=filters)
    data_format = standardize_data_format(data_format)
    image = image_input(input_tensor, input_shape, data_format)
    convolution = functools.partial(
        Conv,
        kernel_size=7,
        padding="same",
        kernel_initializer="he_normal",
        data_format=data_format,
    )
    blocks = ((filters,),) * 4
    padded = LocalResponseNormalization(data_format=data_format, name="norm")(
        image
    )
    x, memory = encode(padded, blocks, convolution, data_format)
    second = None
    if auxiliary:
        _, pooled = memory[-1]
        second = fcn_head(pooled, classes, data_format)
    x = decode(x, memory, blocks, convolution, data_format, relu=False)
    scores = Conv(
        classes,
        1,
        kernel_initializer="he_normal",
        data_format=data_format,
        name="score_fr",
    )(x)
    model = finish(
        scores,
        image,
        classifier_activation,
        data_format,
        name,
        padded,
        auxiliary=second,
        enlarge=False,
    )
    return freeze(model) if freeze_batch_norm else model
