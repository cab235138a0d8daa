"""DeconvNet: a whole VGG16, and its mirror image as a decoder."""

import os
from collections.abc import Sequence

import keras
from keras import initializers

from keras_seg.applications.assembly import fcn_head
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import image_input
from keras_seg.applications.batch_norm import freeze_batch_norm as freeze
from keras_seg.applications.builder import builder
from keras_seg.applications.vgg_switches import begin_from_vgg16
from keras_seg.applications.vgg_switches import decode
from keras_seg.applications.vgg_switches import encode
from keras_seg.applications.vgg_switches import normalize
from keras_seg.applications.vgg_switches import prepare_for_vgg16
from keras_seg.applications.vgg_switches import vgg16_blocks
from keras_seg.applications.weights import check_weights
from keras_seg.arguments import check_positive
from keras_seg.layers import Conv
from keras_seg.layers import ConvTranspose
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import standardize_data_format

__all__ = ["DeconvNet"]


@builder
def DeconvNet(
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    filters: int = 64,
    hidden_filters: int = 4096,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    data_format: str | None = None,
    name: str = "deconvnet",
) -> keras.Model:
    """DeconvNet: VGG16 with its fully connected layers, and their mirror.

    VGG16's convolutions, `fc1` as one of 7×7 and `fc2` of 1×1; a 7×7
    transposed convolution from there back to the last pool's map; then five
    times un-pooling to where the maxima were and transposed convolutions of
    3×3 and stride 1. Each is followed by batch norm and ReLU. A 1×1
    convolution makes the scores. 251,805,653 weights to train for 21
    classes. Reference:

    - [Learning Deconvolution Network for Semantic Segmentation](
      https://arxiv.org/abs/1505.04366)

    The paper's images have 224×224 pixels, and 7×7 positions after the last
    pool. Smaller ones are padded to 224, below and on the right, and on
    larger ones the 7×7 window slides, as in a fully convolutional network.
    The authors run it on object proposals resized to 224 and take the
    maximum of their scores in each pixel; once on a whole image it is a
    different, weaker system.

    At 224 pixels the fully connected layers have one position an image, so
    that batch norm sees nothing but zeros in a batch of one: train with
    larger ones (theirs is 64), or with `freeze_batch_norm`. Its epsilon is
    1e-5, where the authors' is 1e-9, and its shift begins at 0, where theirs
    does at 0.001. In flat areas of an image the values of a window differ by
    rounding only, so that its maximum, and the logits a little, can differ
    from backend to backend.

    Further arguments, result and errors are those of
    `keras_seg.applications.SegNet`.

    Args:
        weights: None for random weights, `"imagenet"`, or the path of a file
            with the weights of VGG16 with its classifier: of the
            convolutions and the hidden fully connected layers. Weights of
            the whole network load with `model.load_weights`. Defaults to
            `"imagenet"`.
        classes: int, at least 1. Defaults to 21, of PASCAL VOC.
        hidden_filters: int, of the fully connected layers. Defaults to 4096;
            other numbers need `weights=None`.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.DeconvNet(
    ...     weights=None, filters=3, hidden_filters=8)
    >>> model.compute_output_shape((1, 97, 330, 3))
    (1, 97, 330, 21)
    """
    check_weights(weights)
    check_positive(
        classes=classes, filters=filters, hidden_filters=hidden_filters
    )
    if weights is not None and (filters, hidden_filters) != (64, 4096):
        raise ValueError(
            "VGG16's weights are for 64 filters and 4096 hidden ones. "
            f"Received: weights={str(weights)!r}, filters={filters}, "
            f"hidden_filters={hidden_filters}"
        )
    data_format = standardize_data_format(data_format)
    image = image_input(input_tensor, input_shape, data_format)
    blocks = vgg16_blocks(filters)

    def convolution(width, name, kernel_size=3, padding="same"):
        return Conv(
            width,
            kernel_size,
            padding=padding,
            kernel_initializer="he_normal",
            data_format=data_format,
            name=name,
        )

    def transposed(width, name, kernel_size=3, padding="same"):
        return ConvTranspose(
            width,
            kernel_size,
            padding=padding,
            # One each: an initializer draws the same numbers every time.
            kernel_initializer=initializers.RandomNormal(stddev=0.01),
            data_format=data_format,
            name=name,
        )

    padded = prepare_for_vgg16(
        image, include_preprocessing, data_format, minimum=224
    )
    x, memory = encode(padded, blocks, convolution, data_format)
    second = None
    if auxiliary:
        _, pooled = memory[-1]
        second = fcn_head(pooled, classes, data_format)
    x = normalize(convolution(hidden_filters, "fc1", 7, "valid"), x)
    x = normalize(convolution(hidden_filters, "fc2", 1), x)
    x = normalize(transposed(blocks[-1][-1], "decoder_fc1", 7, "valid"), x)
    x = decode(x, memory, blocks, transposed, data_format)
    scores = Conv(
        classes,
        1,
        kernel_initializer=initializers.RandomNormal(stddev=0.01),
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
    begin_from_vgg16(
        model, weights, image.shape[channel_axis(data_format)], True
    )
    return freeze(model) if freeze_batch_norm else model
