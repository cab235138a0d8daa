"""What every system begins and ends with."""

import keras
from keras import layers

from keras_seg.applications.backbones import encoder
from keras_seg.applications.batch_norm import freeze_batch_norm as freeze
from keras_seg.applications.builder import without_effect
from keras_seg.applications.weights import check_weights
from keras_seg.arguments import check_positive
from keras_seg.crf import PRESETS
from keras_seg.crf import DenseCRF
from keras_seg.fast.layers import replacement_class
from keras_seg.keras_private import output_number
from keras_seg.keras_private import producer
from keras_seg.layers import CropLike
from keras_seg.layers import PadToMultiple
from keras_seg.layers import Preprocess
from keras_seg.layers import ResizeLike
from keras_seg.layers.base import nested_layers
from keras_seg.layers.metadata import Metadata
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery import inflate_input
from keras_seg.surgery import pyramid

__all__ = [
    "as_rgb",
    "begin",
    "crf_preset",
    "finish",
    "freeze_batch_norm_of",
    "image_input",
    "map_of_stride",
    "prepare",
]


def image_input(input_tensor, input_shape, data_format, channels=3):
    """Returns the tensor of the image, a new input unless there is one.

    Behind it stands the `Metadata` of the network.
    """
    if input_tensor is not None:
        if not keras.utils.is_keras_tensor(input_tensor):
            raise ValueError(
                "`input_tensor` must be a tensor of a functional model, such "
                f"as keras.Input gives. Received: {input_tensor=}"
            )
        return Metadata(name="metadata")(input_tensor)
    if input_shape is None:
        input_shape = (None, None, channels)
        if data_format == "channels_first":
            input_shape = (channels, None, None)
    axis = channel_axis(data_format) % 4
    known = isinstance(input_shape, tuple | list) and len(input_shape) == 3
    if not known or input_shape[axis - 1] is None:
        raise ValueError(
            "`input_shape` must be the height, the width and the number of "
            "channels, which must be known; with channels first, that first. "
            f"Received: input_shape={input_shape}, "
            f"data_format={data_format!r}"
        )
    return Metadata(name="metadata")(keras.Input(input_shape, name="image"))


def as_rgb(image, data_format):
    """Takes a gray image for red, green and blue alike; others as they are."""
    axis = channel_axis(data_format)
    if image.shape[axis] != 1:
        return image
    return layers.Concatenate(axis=axis, name="gray_to_rgb")([image] * 3)


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
    dropout_elsewhere=True,
    padding="same",
    freeze_batch_norm=False,
    multiple=32,
    remainder=0,
    minimum=1,
    convert=None,
):
    """Checks what all builders share, and builds the encoder on the image.

    An image of other channels than the encoder's is brought to it: a gray
    one is taken for red, green and blue alike; for other numbers the
    encoder's input is inflated, the first three are red, green and blue.

    Args:
        backbone, weights, input_tensor, input_shape, classes,
            include_preprocessing, dropout, freeze_batch_norm: as in
            `keras_seg.applications.FCN32s`.
        data_format: `"channels_last"` or `"channels_first"`.
        dropout_elsewhere: bool, whether the builder uses `dropout` in other
            places, too.
        padding: of the convolutions that were fully connected layers.
        multiple, remainder, minimum: of `prepare`. None for the encoder's
            own largest stride: with a remainder of 1 all maps then have odd
            sides, those behind strides that `convert` removes too. A "same"
            convolution with a stride looks at other places of odd maps than
            of even ones, so that what stands on a dense map would else lie a
            position further for every second size of the image.
        convert: function from the encoder to another model, such as its
            surgery. Defaults to None.

    Returns:
        `(image, padded, network, strided)`: the tensor of the image, that of
        the preprocessed and padded image, a `keras.Model` from there, and the
        encoder before `convert`.
    """
    check_weights(weights)
    check_positive(classes=classes)
    network, mode = encoder(
        backbone,
        weights,
        include_preprocessing=include_preprocessing,
        dropout=dropout,
        dropout_elsewhere=dropout_elsewhere,
        padding=padding,
        data_format=data_format,
    )
    axis = channel_axis(data_format)
    channels = network.inputs[0].shape[axis]
    x = image = image_input(input_tensor, input_shape, data_format, channels)
    if image.shape[axis] != channels:
        x = as_rgb(image, data_format)
    if x.shape[axis] != channels:
        network = inflate_input(network, x.shape[axis])
    own = {layer.name for layer in network.layers}
    if multiple is None:
        multiple = max(pyramid(network, verify=False))
    strided = network
    if convert is not None:
        network = convert(network)
    if not include_preprocessing:
        mode = None
    minimum = _smallest(network, multiple, remainder, minimum)
    padded = prepare(x, mode, multiple, data_format, remainder, minimum)
    network = graph.copy_model(network, padded, replacement_class)
    # Those that `convert` has added, such as a cascade, begin anew.
    names = [x.name for x in network.layers if x.name in own and x.weights]
    producer(image).facts = {"backbone": names}
    if freeze_batch_norm:
        freeze_batch_norm_of(network)
    return image, padded, network, strided


def freeze_batch_norm_of(network):
    """Freezes the batch norm of a backbone, which must have some."""
    norm = keras.layers.BatchNormalization
    if not any(isinstance(layer, norm) for layer in nested_layers(network)):
        why = f"on '{network.name}', which has no batch normalization"
        without_effect("freeze_batch_norm", True, False, why)
    freeze(network)


def _smallest(network, multiple, remainder, minimum):
    """The smallest size from `minimum` on that leaves an encoder a map.

    Unpadded convolutions, as in Inception, take no image that is smaller
    than their windows.
    """
    shape = [1, *network.inputs[0].shape[1:]]
    first = minimum + (remainder - minimum) % multiple
    for size in range(first, first + 512, multiple):
        for axis in spatial_axes(graph.data_format_of(network)):
            shape[axis] = size
        try:
            network.compute_output_shape(shape)
        except ValueError:
            continue
        return size
    return minimum


def map_of_stride(network, strided, stride):
    """The tensor that is the last map of a stride in the strided network.

    Args:
        network: `keras.Model`, the encoder in use.
        strided: the encoder before its strides were removed.
        stride: int.

    Raises:
        ValueError: if it has no such map.
    """
    levels = pyramid(strided, verify=False)
    if stride not in levels:
        raise ValueError(
            f"The backbone '{strided.name}' has no map of stride {stride}; "
            f"it has strides {list(levels)}."
        )
    name = producer(levels[stride]).name
    operation = next(x for x in network.operations if x.name == name)
    number = output_number(levels[stride])
    return keras.tree.flatten(operation.output)[number]


def crf_preset(crf, default, include_preprocessing):
    """The settings of the CRF that a builder is asked for, or None.

    Args:
        crf: bool or str, of a builder.
        default: str, what True stands for.
        include_preprocessing: bool, of a builder.

    Raises:
        ValueError: for an unknown name, and where the image is preprocessed
            already: its colors are not those that the settings are for.
    """
    if crf is False:
        return None
    if not include_preprocessing:
        raise ValueError(
            "The CRF compares the colors of the image as it was "
            "photographed, 0 … 255; give `include_preprocessing=True`, or "
            "`keras_seg.crf.DenseCRF` the scores and the image. "
            f"Received: crf={crf!r}, include_preprocessing=False"
        )
    name = default if crf is True else crf
    if name not in PRESETS:
        raise ValueError(
            "`crf` must be a bool or one of "
            f"{', '.join(map(repr, PRESETS))}. Received: crf={crf!r}"
        )
    return name


def finish(
    scores,
    image,
    classifier_activation,
    data_format,
    name,
    padded=None,
    align_corners=False,
    auxiliary=None,
    enlarge=True,
    crop=True,
    offset=0,
    crf=None,
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
        padded: tensor, what `prepare` returned; None where nothing is
            enlarged.
        align_corners: bool, of the enlarging.
        auxiliary: tensor, the scores of an auxiliary head, or a dict of
            several by the prefix of their layers' names; or None. They are
            enlarged and cropped whatever the others need.
        enlarge: bool, False where the scores have the size of the padded
            image already.
        crop: bool, whether the scores are cropped to the image.
        offset: int, where the crop begins, from the top left.
        crf: str, settings of the CRF that refines the scores at last, the
            auxiliary ones not; or None for no CRF.

    Returns:
        A `keras.Model` with logits `(batch, height, width, classes)`; with
        auxiliary scores, a list of these, the others behind the first.
    """

    def bring(x, prefix, enlarge, crop, crf=None):
        x = layers.Activation("linear", dtype="float32", name=f"{prefix}score")(
            x
        )
        options = {"data_format": data_format, "dtype": "float32"}
        if enlarge:
            x = ResizeLike(align_corners, name=f"{prefix}upscore", **options)(
                x, padded
            )
        if crop:
            x = CropLike(offset, name=f"{prefix}crop", **options)(x, image)
        if crf is not None:
            x = DenseCRF(preset=crf, name="crf", **options)(x, image)
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

    outputs = bring(scores, "", enlarge and padded is not None, crop, crf)
    if auxiliary is not None:
        if not isinstance(auxiliary, dict):
            auxiliary = {"auxiliary_logits_": auxiliary}
        others = [
            bring(x, prefix, True, True) for prefix, x in auxiliary.items()
        ]
        outputs = [outputs, *others]
    inputs = keras.utils.get_source_inputs(image)
    return keras.Model(
        inputs[0] if len(inputs) == 1 else inputs, outputs, name=name
    )
