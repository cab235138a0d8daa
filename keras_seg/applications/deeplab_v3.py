"""DeepLab v3, and v3+ with a decoder."""

import os
from collections.abc import Callable
from collections.abc import Sequence

import keras
from keras import initializers
from keras import layers

from keras_seg.applications.assembly import begin
from keras_seg.applications.assembly import fcn_head
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import keeps_corners
from keras_seg.applications.assembly import map_of_stride
from keras_seg.applications.backbones import without_widening
from keras_seg.applications.builder import builder
from keras_seg.applications.builder import without_effect
from keras_seg.arguments import check_positive
from keras_seg.layers import ASPP
from keras_seg.layers import BatchNorm
from keras_seg.layers import Conv
from keras_seg.layers import ResizeLike
from keras_seg.layers.aspp import scale_rates
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import standardize_data_format
from keras_seg.surgery import cascade as append_copies
from keras_seg.surgery import multi_grid as spread_last_stage
from keras_seg.surgery import set_output_stride
from keras_seg.surgery.last_stage import last_convolutions

__all__ = ["DeepLabV3", "DeepLabV3Plus"]


@builder
def DeepLabV3(
    backbone: str | keras.Model = "resnet101",
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    output_stride: int = 16,
    multi_grid: Sequence[int] | None = None,
    atrous_rates: Sequence[int] | None = None,
    cascade: int = 0,
    normalization: str = "batch",
    dropout: float = 0.1,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    data_format: str | None = None,
    name: str = "deeplabv3",
) -> keras.Model:
    """DeepLab v3: a dense encoder, a pyramid of rates, scores.

    The classifier's last strides are removed, its last stage sees at several
    rates (multi-grid), and `keras_seg.layers.ASPP` looks at the map at three
    rates and as a whole. Reference:

    - [Rethinking Atrous Convolution for Semantic Image Segmentation](
      https://arxiv.org/abs/1706.05587)

    The image is padded, below and on the right, by the mean color to a
    multiple of the classifier's stride plus 1 (the authors' 513 = 32 · 16 +
    1): then every map has a position on the first and on the last pixel,
    whatever the size of the image, and the scores are enlarged with aligned
    corners, as in the authors' code.

    `keras_seg.surgery.set_output_stride(model, 8)` makes of a model trained
    at output stride 16 the one that the paper evaluates.

    On `keras.applications.ResNet50` and `ResNet101` it has 39,075,093 and
    58,093,333 weights to train; without the biases that these networks have
    and the paper's have not (`keras_seg.surgery.drop_biases(model)`), the
    paper's 39,048,533 and 58,040,661.

    Args:
        backbone: str, a name of `keras.applications`, or a functional
            `keras.Model` of any image classifier or encoder. By name,
            MobileNetV2 ends with its second last map, of 320 channels, as
            its authors' DeepLab does. Defaults to `"resnet101"`.
        weights: None for random weights, `"imagenet"`, or the path of a file
            with the weights of the backbone; for a backbone given by name.
            Weights of the whole network load with `model.load_weights`.
            Defaults to `"imagenet"`.
        output_stride: int, pixels of the image for a position of the last
            map: 16, or 8 for denser maps at four times the cost. Defaults to
            16.
        multi_grid: ints, the rates of the units of the last stage, on top of
            what the removed strides make. Defaults to None: the paper's
            (1, 2, 4) if the last stage has three convolutions larger than
            1×1, as every ResNet has, and none otherwise.
        atrous_rates: ints, of the pyramid; `()` for the 1×1 convolution and
            the mean alone, as the authors' networks for phones have. Beyond
            the map of a crop a rate sees padding: for crops much smaller than
            the paper's 513 take smaller ones. Defaults to None: the paper's, 6,
            12, 18 at output stride 16 and double at 8.
        cascade: int, copies of the last stage (the paper's block5, block6,
            block7) that are appended, each at twice the rate of the one
            before, in place of the pyramid: see `keras_seg.surgery.cascade`.
            The paper's best have 3, with `multi_grid=(1, 2, 1)`. Defaults to
            0, the pyramid.
        normalization: `"batch"`, `"group"` or `"frozen"`, of the pyramid: see
            `keras_seg.layers.ASPP`. Defaults to `"batch"`.
        dropout: float, rate in front of the scores. Defaults to 0.1.
        auxiliary: bool, whether there is a second output, the logits of a
            head on the stage before the last, for a second loss. Defaults to
            False.
        input_tensor, input_shape, classes, classifier_activation,
            include_preprocessing, freeze_batch_norm, data_format, name: see
            `keras_seg.applications.FCN32s`.

    Returns:
        A functional `keras.Model`: images of any size to float32 logits
        `(batch, height, width, classes)` of the same size.

    Raises:
        ValueError: If an argument is out of range. The message names it.
        OSError: If weights cannot be downloaded.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.DeepLabV3(
    ...     "mobilenet_v2", weights=None, classes=5)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 5)
    """
    return _deeplab(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        classifier_activation=classifier_activation,
        include_preprocessing=include_preprocessing,
        output_stride=output_stride,
        multi_grid=multi_grid,
        atrous_rates=atrous_rates,
        cascade=cascade,
        normalization=normalization,
        dropout=dropout,
        freeze_batch_norm=freeze_batch_norm,
        auxiliary=auxiliary,
        data_format=data_format,
        name=name,
    )


@builder
def DeepLabV3Plus(
    backbone: str | keras.Model = "resnet101",
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    output_stride: int = 16,
    multi_grid: Sequence[int] | None = None,
    atrous_rates: Sequence[int] | None = None,
    normalization: str = "batch",
    dropout: float = 0.1,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    decoder_filters: int = 48,
    data_format: str | None = None,
    name: str = "deeplabv3plus",
) -> keras.Model:
    """DeepLab v3+: DeepLab v3 with a decoder on the maps of stride 4.

    The pyramid's map is enlarged to stride 4, joined to the encoder's last
    map of that stride, reduced to 48 channels, and two 3×3 convolutions
    follow. Plain convolutions, as in the paper's comparison on ResNet-101.
    Further arguments, result and errors are those of
    `keras_seg.applications.DeepLabV3`. On ResNet-50 and 101 it has
    40,352,181 and 59,344,309 weights to train, after
    `keras_seg.surgery.drop_biases`. Reference:

    - [Encoder-Decoder with Atrous Separable Convolution for Semantic Image
      Segmentation](https://arxiv.org/abs/1802.02611)

    Args:
        decoder_filters: int, channels that the encoder's map is reduced to.
            Defaults to 48.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.DeepLabV3Plus(
    ...     "mobilenet_v2", weights=None, classes=5)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 5)
    """
    check_positive(decoder_filters=decoder_filters)

    def decode(x, low, data_format):
        return _decode(x, low, decoder_filters, data_format)

    return _deeplab(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        classifier_activation=classifier_activation,
        include_preprocessing=include_preprocessing,
        output_stride=output_stride,
        multi_grid=multi_grid,
        atrous_rates=atrous_rates,
        normalization=normalization,
        dropout=dropout,
        freeze_batch_norm=freeze_batch_norm,
        auxiliary=auxiliary,
        data_format=data_format,
        name=name,
        decode=decode,
    )


def _deeplab(
    backbone: str | keras.Model,
    weights: str | os.PathLike | None,
    input_tensor: keras.KerasTensor | None,
    input_shape: Sequence[int | None] | None,
    classes: int,
    classifier_activation: str | None,
    include_preprocessing: bool,
    output_stride: int,
    multi_grid: Sequence[int] | None,
    atrous_rates: Sequence[int] | None,
    normalization: str,
    dropout: float,
    freeze_batch_norm: bool,
    auxiliary: bool,
    data_format: str | None,
    name: str,
    cascade: int = 0,
    decode: Callable[..., keras.KerasTensor] | None = None,
) -> keras.Model:
    """Builds DeepLab v3, with a decoder or without.

    `decode` maps the pyramid's map, the encoder's of stride 4 and the data
    format to another map.
    """
    data_format = standardize_data_format(data_format)
    if cascade and atrous_rates is not None:
        raise ValueError(
            "A cascade has no pyramid whose `atrous_rates` could be given. "
            f"Received: atrous_rates={atrous_rates}, cascade={cascade}"
        )
    if cascade:
        why = "on a cascade, which has no pyramid"
        without_effect("normalization", normalization, "batch", why)
        check_positive(cascade=cascade)
    if multi_grid is not None:
        if not isinstance(multi_grid, tuple | list):
            raise ValueError(
                "`multi_grid` must be integers, or None. "
                f"Received: multi_grid={multi_grid!r}"
            )
        for rate in multi_grid:
            check_positive(multi_grid=rate)

    def convert(model):
        if isinstance(backbone, str):
            model = without_widening(model)
        grid, units = multi_grid, len(last_convolutions(model))
        if grid is None and units == 3:
            grid = (1, 2, 4)
        if grid is not None and len(grid) != units:
            raise ValueError(
                "`multi_grid` must be as many rates as the last stage of the "
                f"backbone has convolutions larger than 1×1: {units}. "
                f"Received: multi_grid={tuple(grid)}"
            )
        if grid is not None:
            model = spread_last_stage(model, grid)
        if cascade:
            model = append_copies(model, cascade)
        return set_output_stride(model, output_stride)

    image, padded, network, strided = begin(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        include_preprocessing=include_preprocessing,
        data_format=data_format,
        freeze_batch_norm=freeze_batch_norm,
        multiple=None,
        remainder=1,
        minimum=33,
        convert=convert,
    )
    x = network.output
    if cascade:
        x = layers.Dropout(dropout, name="dropout")(x)
    else:
        if atrous_rates is None:
            atrous_rates = scale_rates((6, 12, 18), output_stride)
        x = ASPP(
            256,
            atrous_rates=atrous_rates,
            normalization=normalization,
            dropout=dropout,
            data_format=data_format,
            name="aspp",
        )(x)
    if decode is not None:
        x = decode(x, map_of_stride(network, strided, 4), data_format)
    scores = Conv(
        classes,
        1,
        kernel_initializer=initializers.TruncatedNormal(stddev=0.01),
        data_format=data_format,
        name="score_fr",
    )(x)
    second = None
    if auxiliary:
        middle = map_of_stride(network, strided, 16)
        second = fcn_head(middle, classes, data_format)
    return finish(
        scores,
        image,
        classifier_activation,
        data_format,
        name,
        padded,
        align_corners=keeps_corners(network),
        auxiliary=second,
    )


def _decode(
    x: keras.KerasTensor, low: keras.KerasTensor, filters: int, data_format: str
) -> keras.KerasTensor:
    """The decoder of v3+, on the encoder's map of stride 4."""
    axis = channel_axis(data_format)

    def block(x, filters, kernel_size, name):
        x = Conv(
            filters,
            kernel_size,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            data_format=data_format,
            name=f"{name}_conv",
        )(x)
        x = BatchNorm(axis=axis, epsilon=1e-5, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    low = block(low, filters, 1, "low_level")
    enlarge = ResizeLike(True, data_format=data_format, name="decoder_upscore")
    x = layers.Concatenate(axis=axis, name="decoder_join")(
        [enlarge(x, low), low]
    )
    x = block(x, 256, 3, "decoder_1")
    return block(x, 256, 3, "decoder_2")
