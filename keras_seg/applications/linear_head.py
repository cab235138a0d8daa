"""A linear classifier on the features of a frozen network."""

import os
from collections.abc import Sequence

import keras
from keras import initializers

from keras_seg.applications.assembly import begin
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import keeps_corners
from keras_seg.applications.builder import builder
from keras_seg.layers import BatchNorm
from keras_seg.layers import Conv
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import standardize_data_format
from keras_seg.surgery import set_output_stride

__all__ = ["LinearHead"]


@builder
def LinearHead(
    backbone: str | keras.Model = "resnet50",
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    output_stride: int | None = None,
    freeze_backbone: bool = True,
    data_format: str | None = None,
    name: str = "linear_head",
) -> keras.Model:
    """Scores each position of a network's last map by a linear classifier.

    Only a 1×1 convolution is trained, behind batch normalization without scale
    and offset; the scores are enlarged. The features of
    [DINOv2](https://arxiv.org/abs/2304.07193) are judged by such a head, of
    which scale and offset would be a part. Other names of arguments,
    result and errors are as in `keras_seg.applications.FCN32s`.

    Args:
        backbone: str, a name of `keras.applications`, or a functional
            `keras.Model` of any image classifier or encoder, such as a
            `DINOV2Backbone` of keras-hub. Defaults to `"resnet50"`.
        output_stride: int, pixels from one position of the last map to the
            next: see `keras_seg.surgery.set_output_stride`. Defaults to None,
            that of the backbone.
        freeze_backbone: bool, whether the weights of the backbone are kept as
            they are. Defaults to True.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.LinearHead(
    ...     "mobilenet_v2", weights=None, classes=5)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 5)
    >>> [x.name for x in model.layers if x.trainable_weights]
    ['score_fr']
    """
    data_format = standardize_data_format(data_format)

    def convert(model: keras.Model) -> keras.Model:
        if output_stride is None:
            return model
        return set_output_stride(model, output_stride)

    image, padded, network, _ = begin(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        include_preprocessing=include_preprocessing,
        data_format=data_format,
        multiple=None,
        remainder=1,
        minimum=33,
        own_stride=True,
        convert=convert,
    )
    if freeze_backbone:
        for layer in network.layers:
            layer.trainable = False
    axis = channel_axis(data_format)
    x = BatchNorm(axis=axis, center=False, scale=False, name="score_norm")(
        network.output
    )
    scores = Conv(
        classes,
        1,
        kernel_initializer=initializers.RandomNormal(stddev=0.01),
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
        align_corners=keeps_corners(network),
    )
