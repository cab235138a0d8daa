"""What every system begins and ends with."""

import os
from collections.abc import Callable
from collections.abc import Sequence

import keras
from keras import layers

from keras_seg.applications.backbones import encoder
from keras_seg.applications.backbones import on_image
from keras_seg.applications.batch_norm import freeze_batch_norm as freeze
from keras_seg.applications.builder import check_activation
from keras_seg.applications.builder import without_effect
from keras_seg.applications.token_pyramid import level_of
from keras_seg.applications.token_pyramid import token_pyramid
from keras_seg.applications.weights import check_weights
from keras_seg.arguments import check_positive
from keras_seg.crf import PRESETS
from keras_seg.crf import DenseCRF
from keras_seg.keras_private import output_number
from keras_seg.keras_private import producer
from keras_seg.layers import BatchNorm
from keras_seg.layers import Conv
from keras_seg.layers import CropLike
from keras_seg.layers import PadToMultiple
from keras_seg.layers import PatchMerging
from keras_seg.layers import Preprocess
from keras_seg.layers import ResizeLike
from keras_seg.layers import TokensToMap
from keras_seg.layers.base import nested_layers
from keras_seg.layers.metadata import Metadata
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery import inflate_input
from keras_seg.surgery import pyramid
from keras_seg.surgery.tokens import has_tokens
from keras_seg.surgery.tokens import set_patch_stride

__all__ = [
    "as_rgb",
    "begin",
    "crf_preset",
    "fcn_head",
    "finish",
    "freeze_batch_norm_of",
    "image_input",
    "keeps_corners",
    "map_of_stride",
    "prepare",
]


def image_input(
    input_tensor: keras.KerasTensor | None,
    input_shape: Sequence[int | None] | None,
    data_format: str,
    channels: int = 3,
) -> keras.KerasTensor:
    """Returns the image, by default a new input, behind a `Metadata` layer."""
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


def as_rgb(image: keras.KerasTensor, data_format: str) -> keras.KerasTensor:
    """Repeats a gray image for red, green and blue; others are unchanged."""
    axis = channel_axis(data_format)
    if image.shape[axis] != 1:
        return image
    return layers.Concatenate(axis=axis, name="gray_to_rgb")([image] * 3)


def prepare(
    image: keras.KerasTensor,
    mode: str | None,
    multiple: int,
    data_format: str,
    remainder: int = 0,
    minimum: int = 1,
) -> keras.KerasTensor:
    """Preprocesses the image and pads it for the strides of a network.

    Sides become a multiple of `multiple`, the largest stride, plus
    `remainder`: 1 for networks whose every map has a position on the first and
    the last pixel.
    """
    x = image
    if mode is not None:
        x = Preprocess(mode, data_format=data_format, name="preprocess")(x)
    return PadToMultiple(
        multiple, remainder, minimum, data_format=data_format, name="pad"
    )(x)


def begin(
    backbone: str | keras.Model,
    weights: str | os.PathLike | None,
    *,
    input_tensor: keras.KerasTensor | None,
    input_shape: Sequence[int | None] | None,
    classes: int,
    include_preprocessing: bool,
    data_format: str,
    dropout: float = 0.0,
    dropout_elsewhere: bool = True,
    padding: str = "same",
    freeze_batch_norm: bool = False,
    multiple: int | None = 32,
    remainder: int = 0,
    minimum: int = 1,
    own_stride: bool = False,
    several: bool = False,
    convert: Callable[[keras.Model], keras.Model] | None = None,
) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.Model, keras.Model]:
    """Checks what all builders share, and builds the encoder on the image.

    A gray image is repeated for red, green and blue; for other numbers of
    channels the encoder's input is inflated, the first three being red, green
    and blue. In front of a transformer the image is resized so that the stride
    of its patches is a power of two.

    Args:
        dropout_elsewhere: whether the builder uses `dropout` in other places,
            too.
        padding: of the convolutions that were fully connected layers.
        multiple, remainder, minimum: of `prepare`. A `multiple` of None is the
            encoder's own largest stride: with a remainder of 1 all maps then
            have odd sides, also behind strides that `convert` removes. A
            strided "same" convolution samples odd maps at other places than
            even ones, so that a dense map would otherwise shift by a position
            for every second size. No remainder is added for an encoder that
            does not keep corners: see `keeps_corners`.
        own_stride: whether the patches of a transformer keep their stride.
        several: whether maps of several strides are needed, of which a
            transformer has none.
        convert: from the encoder to another model, such as its surgery.

    Returns:
        `(image, padded, network, strided)`: the image, the preprocessed and
        padded image, a `keras.Model` from there, and the encoder before
        `convert`.
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
    if has_tokens(network) and not own_stride:
        stride = max(pyramid(network, verify=False))
        power = 2 ** (stride - 1).bit_length()
        if power != stride:
            network = set_patch_stride(network, power)
    own = {layer.name for layer in network.layers}
    if multiple is None:
        multiple = max(pyramid(network, verify=False))
    strided = network
    if convert is not None:
        network = convert(network)
    if several and has_tokens(network):
        network = token_pyramid(network, data_format)
    if not include_preprocessing:
        mode = None
    if not keeps_corners(network):
        remainder = 0
    minimum = _smallest(network, multiple, remainder, minimum)
    padded = prepare(x, mode, multiple, data_format, remainder, minimum)
    network = on_image(network, padded)
    # Those that `convert` has added, such as a cascade, begin anew.
    names = [x.name for x in network.layers if x.name in own and x.weights]
    producer(image).facts = {"backbone": names}
    if freeze_batch_norm:
        freeze_batch_norm_of(network)
    return image, padded, network, strided


def keeps_corners(network: keras.Model) -> bool:
    """Whether the first and last position of a map lie on the first and last
    pixel, as behind padded convolutions, not in the middle of a patch."""
    patches = (PatchMerging, TokensToMap)
    return not any(isinstance(x, patches) for x in nested_layers(network))


def freeze_batch_norm_of(network: keras.Model) -> None:
    """Freezes the batch norm of a backbone, which must have some."""
    norm = keras.layers.BatchNormalization
    if not any(isinstance(layer, norm) for layer in nested_layers(network)):
        why = f"on '{network.name}', which has no batch normalization"
        without_effect("freeze_batch_norm", True, False, why)
    freeze(network)


def _smallest(
    network: keras.Model, multiple: int, remainder: int, minimum: int
) -> int:
    """Returns the smallest size from `minimum` on that leaves an encoder a map.

    Unpadded convolutions, as in Inception, take no image smaller than their
    windows.
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


def map_of_stride(
    network: keras.Model, strided: keras.Model, stride: int
) -> keras.KerasTensor:
    """Returns what is the last map of a stride in the strided network.

    `strided` is the encoder before its strides were removed, `network` the one
    in use. For a transformer it is made of its one map.
    """
    levels = pyramid(strided, verify=False)
    if has_tokens(network) and stride not in levels:
        x, data_format = network.output, graph.data_format_of(network)
        return level_of(
            x, max(pyramid(network, verify=False)), stride, data_format
        )
    if stride not in levels:
        raise ValueError(
            f"The backbone '{strided.name}' has no map of stride {stride}; "
            f"it has strides {list(levels)}."
        )
    name = producer(levels[stride]).name
    operation = next(x for x in network.operations if x.name == name)
    number = output_number(levels[stride])
    return keras.tree.flatten(operation.output)[number]


def fcn_head(
    x: keras.KerasTensor,
    classes: int,
    data_format: str,
    prefix: str = "auxiliary_",
    momentum: float = 0.99,
) -> keras.KerasTensor:
    """Scores a map as torchvision's FCN head does, for auxiliary outputs.

    3×3 with a quarter of the channels, batch norm, ReLU, dropout 0.1, 1×1.
    `prefix` begins the names of the layers, `momentum` is that of batch norm.

    >>> import keras
    >>> fcn_head(keras.Input((9, 7, 16)), 5, "channels_last").shape
    (None, 9, 7, 5)
    """
    axis = channel_axis(data_format)
    x = Conv(
        max(1, x.shape[axis] // 4),
        3,
        padding="same",
        use_bias=False,
        data_format=data_format,
        name=f"{prefix}conv",
    )(x)
    x = BatchNorm(
        axis=axis, epsilon=1e-5, momentum=momentum, name=f"{prefix}norm"
    )(x)
    x = layers.ReLU(name=f"{prefix}relu")(x)
    x = layers.Dropout(0.1, name=f"{prefix}dropout")(x)
    return Conv(classes, 1, data_format=data_format, name=f"{prefix}score")(x)


def crf_preset(
    crf: bool | str, default: str, include_preprocessing: bool
) -> str | None:
    """Returns the settings of the CRF that a builder is asked for, or None.

    A preprocessed image is refused: the settings are for other colors.
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
    scores: keras.KerasTensor,
    image: keras.KerasTensor,
    classifier_activation: str | None,
    data_format: str,
    name: str,
    padded: keras.KerasTensor | None = None,
    align_corners: bool = False,
    auxiliary: keras.KerasTensor | dict[str, keras.KerasTensor] | None = None,
    enlarge: bool = True,
    crop: bool = True,
    offset: int = 0,
    crf: str | None = None,
) -> keras.Model:
    """Enlarges scores to the padded image, crops them, and makes the model.

    The logits are float32 whatever the dtype policy is, and channels-last.
    With auxiliary scores the model has a list of them, the others behind the
    first.

    Args:
        padded: what `prepare` returned; None where nothing is enlarged.
        auxiliary: scores of an auxiliary head, or a dict of several by the
            prefix of their layers' names. They are always enlarged and
            cropped.
        enlarge: False if the scores have the size of the padded image already.
        offset: where the crop begins, from the top left.
        crf: settings of the CRF that refines the scores, but not auxiliary
            ones.
    """

    classes = scores.shape[channel_axis(data_format)]
    check_activation(classes, classifier_activation, crf)

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
