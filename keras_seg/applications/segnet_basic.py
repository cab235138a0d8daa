"""SegNet-Basic: SegNet with four convolutions on each side."""

import functools
from collections.abc import Sequence

import keras

from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import image_input
from keras_seg.applications.batch_norm import freeze_batch_norm as freeze
from keras_seg.applications.builder import builder
from keras_seg.applications.fcn_head import fcn_head
from keras_seg.applications.vgg_switches import decode
from keras_seg.applications.vgg_switches import encode
from keras_seg.arguments import check_positive
from keras_seg.layers import Conv
from keras_seg.layers import LocalResponseNormalization
from keras_seg.ops.backend import standardize_data_format

__all__ = ["SegNetBasic"]


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
        second = fcn_head(pooled, classes, data_format, "auxiliary_")
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
