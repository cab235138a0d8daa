"""What every system begins and ends with."""

import keras
from keras import layers

from keras_seg.applications.backbones import encoder
from keras_seg.applications.batch_norm import freeze_batch_norm as freeze
from keras_seg.applications.weights import check_weights
from keras_seg.layers import CropLike
from keras_seg.layers import PadToMultiple
from keras_seg.layers import Preprocess
from keras_seg.layers import ResizeLike
from keras_seg.layers.base import positive_int
from keras_seg.ops.formats import channel_axis
from keras_seg.surgery import inflate_input
from keras_seg.surgery import pyramid
from keras_seg.surgery.graph import copy_model

__all__ = [
    "auxiliary_head",
    "begin",
    "finish",
    "image_input",
    "map_of_stride",
    "prepare",
]


def image_input(input_tensor, input_shape, data_format):
    """Returns the tensor of the image, a new input unless there is one."""
    if input_tensor is not None:
        return input_tensor
    if input_shape is None:
        input_shape = (None, None, 3)
        if data_format == "channels_first":
            input_shape = (3, None, None)
    return keras.Input(input_shape, name="image")


def prepare(image, mode, multiple, data_format, remainder=0, minimum=1):
    """Preprocesses the image and pads it for the strides of a network.

    Args:
        image: tensor of RGB images of 0 … 255, of any size.
        mode: of `keras_seg.layers.Preprocess`, or None.
        multiple: int, the largest stride of the network.
        data_format: `"channels_last"` or `"channels_first"`.
        remainder: int, what sides are above a multiple: 1 for networks whose
            every map has a position on the first and the last pixel.
        minimum: int, the smallest size: some networks take no smaller one.
    """
    x = image
    if mode is not None:
        x = Preprocess(mode, data_format=data_format, name="preprocess")(x)
    return PadToMultiple(
        multiple, remainder, minimum, data_format=data_format, name="pad"
    )(x)


def begin(
    backbone,
    weights,
    *,
    input_tensor,
    input_shape,
    classes,
    include_preprocessing,
    data_format,
    dropout=0.0,
    padding="same",
    freeze_batch_norm=False,
    multiple=32,
    remainder=0,
    minimum=1,
    convert=None,
):
    """Checks what all builders share, and builds the encoder on the image.

    A gray image is taken for red, green and blue alike. For other numbers
    of channels the encoder's input is inflated: the first three are red,
    green and blue.

    Args:
        backbone, weights, input_tensor, input_shape, classes,
            include_preprocessing, dropout, freeze_batch_norm: as in
            `keras_seg.applications.FCN32s`.
        data_format: `"channels_last"` or `"channels_first"`.
        padding: of the convolutions that were fully connected layers.
        multiple, remainder, minimum: of `prepare`.
        convert: function from the encoder to another model, such as its
            surgery. Defaults to None.

    Returns:
        `(image, padded, network)`: the tensor of the image, that of the
        preprocessed and padded image, and a `keras.Model` from there.
    """
    check_weights(weights)
    positive_int("classes", classes)
    image = image_input(input_tensor, input_shape, data_format)
    network, mode = encoder(
        backbone,
        weights,
        include_preprocessing=include_preprocessing,
        dropout=dropout,
        padding=padding,
        data_format=data_format,
    )
    axis = channel_axis(data_format)
    x, channels = image, image.shape[axis]
    if channels == 1:
        x = layers.Concatenate(axis=axis, name="gray_to_rgb")([image] * 3)
    elif channels != network.inputs[0].shape[axis]:
        network = inflate_input(network, channels)
    if convert is not None:
        network = convert(network)
    if not include_preprocessing:
        mode = None
    padded = prepare(x, mode, multiple, data_format, remainder, minimum)
    network = copy_model(network, padded)
    if freeze_batch_norm:
        freeze(network)
    return image, padded, network


def map_of_stride(network, strided, stride):
    """The tensor that is the last map of a stride in the strided network.

    Args:
        network: `keras.Model`, the encoder in use.
        strided: the encoder before its strides were removed.
        stride: int.

    Raises:
        ValueError: if it has no such map.
    """
    levels = pyramid(strided)
    if stride not in levels:
        raise ValueError(
            f"The backbone '{strided.name}' has no map of stride {stride}; "
            f"it has strides {list(levels)}."
        )
    made_by, _, number = levels[stride]._keras_history
    operation = next(x for x in network.operations if x.name == made_by.name)
    return keras.tree.flatten(operation.output)[number]


def auxiliary_head(network, strided, classes, data_format):
    """Scores of a map in the middle, for a second loss in training.

    As in torchvision, on the last map of stride 16 of the classifier (in a
    ResNet, of the third stage): 3×3 with a quarter of the channels, batch
    norm, ReLU, dropout 0.1, 1×1.

    Args:
        network: `keras.Model`, the encoder in use.
        strided: the encoder before its strides were removed.
        classes: int.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A tensor of scores.

    Raises:
        ValueError: if the encoder has no such map.
    """
    x = map_of_stride(network, strided, 16)
    axis = channel_axis(data_format)
    options = {"data_format": data_format}
    x = layers.Conv2D(
        x.shape[axis] // 4,
        3,
        padding="same",
        use_bias=False,
        name="auxiliary_conv",
        **options,
    )(x)
    x = layers.BatchNormalization(
        axis=axis, epsilon=1e-5, name="auxiliary_norm"
    )(x)
    x = layers.ReLU(name="auxiliary_relu")(x)
    x = layers.Dropout(0.1, name="auxiliary_dropout")(x)
    return layers.Conv2D(classes, 1, name="auxiliary_score", **options)(x)


def finish(
    scores,
    image,
    classifier_activation,
    data_format,
    name,
    padded=None,
    align_corners=False,
    auxiliary=None,
    crop=True,
    offset=0,
):
    """Brings scores to the image and makes the model.

    The scores are enlarged to the padded image and cropped to the image, in
    float32 whatever the dtype policy is.

    Args:
        scores: tensor of class scores.
        image: tensor of the images.
        classifier_activation: name of an activation, or None for logits.
        data_format: `"channels_last"` or `"channels_first"`.
        name: str, name of the model.
        padded: tensor, what `prepare` returned, for scores at a stride; None
            where they have its size already.
        align_corners: bool, of the enlarging.
        auxiliary: tensor, the scores of an auxiliary head, or None.
        crop: bool, whether the scores are cropped to the image.
        offset: int, where the crop begins, from the top left.

    Returns:
        A `keras.Model` with logits `(batch, height, width, classes)`; with
        an auxiliary head, a list of two of these.
    """

    def bring(x, prefix):
        x = layers.Activation("linear", dtype="float32", name=f"{prefix}score")(
            x
        )
        options = {"data_format": data_format, "dtype": "float32"}
        if padded is not None:
            enlarge = ResizeLike(
                align_corners, name=f"{prefix}upscore", **options
            )
            x = enlarge(x, padded)
        if crop:
            x = CropLike(offset, name=f"{prefix}crop", **options)(x, image)
        if data_format == "channels_first":
            x = layers.Permute(
                (2, 3, 1), dtype="float32", name=f"{prefix}logits"
            )(x)
        if classifier_activation is not None:
            x = layers.Activation(
                classifier_activation,
                dtype="float32",
                name=f"{prefix}predictions",
            )(x)
        return x

    outputs = bring(scores, "")
    if auxiliary is not None:
        outputs = [outputs, bring(auxiliary, "auxiliary_logits_")]
    inputs = keras.utils.get_source_inputs(image)
    return keras.Model(
        inputs[0] if len(inputs) == 1 else inputs, outputs, name=name
    )
