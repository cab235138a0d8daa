"""DeepLab v3 and v3+."""

from keras import initializers
from keras import layers

from keras_seg.applications.assembly import auxiliary_head
from keras_seg.applications.assembly import begin
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import map_of_stride
from keras_seg.layers import ASPP
from keras_seg.layers import ResizeLike
from keras_seg.ops.formats import channel_axis
from keras_seg.ops.formats import standardize_data_format
from keras_seg.surgery import multi_grid as spread_last_stage
from keras_seg.surgery import set_output_stride
from keras_seg.surgery.multi_grid import last_convolutions

__all__ = ["DeepLabV3", "DeepLabV3Plus"]


def DeepLabV3(
    backbone="resnet101",
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    classes=21,
    classifier_activation=None,
    include_preprocessing=True,
    output_stride=16,
    multi_grid=None,
    rates=None,
    normalization="batch",
    dropout=0.1,
    freeze_batch_norm=False,
    auxiliary=False,
    data_format=None,
    name="deeplabv3",
):
    """DeepLab v3: a dense encoder, a pyramid of rates, scores.

    The classifier's last strides are removed, its last stage sees at several
    rates (multi-grid), and `keras_seg.layers.ASPP` looks at the map at three
    rates and as a whole. Reference:

    - [Rethinking Atrous Convolution for Semantic Image Segmentation](
      https://arxiv.org/abs/1706.05587)

    The image is padded, below and on the right, by the mean colour to a
    multiple of the output stride plus 1 (the authors' 513 = 32 · 16 + 1):
    then every map has a position on the first and on the last pixel, and the
    scores are enlarged with aligned corners, as in the authors' code.

    `keras_seg.surgery.set_output_stride(model, 8)` makes of a model trained
    at output stride 16 the one that the paper evaluates.

    On `keras.applications.ResNet50` and `ResNet101` it has 39,075,093 and
    58,093,333 weights to train; without the biases that these networks have
    and the paper's have not, the paper's 39,048,533 and 58,040,661.

    Args:
        backbone: str, a name of `keras.applications`, or a functional
            `keras.Model` of any image classifier or encoder. Defaults to
            `"resnet101"`.
        weights: None for random weights, `"imagenet"`, or the path of a file
            with the weights of the backbone; for a backbone given by name.
            Weights of the whole network load with `model.load_weights`.
            Defaults to `"imagenet"`.
        input_tensor: tensor to use as the image. Defaults to a new input.
        input_shape: shape of the image without the batch. Defaults to
            `(None, None, 3)`, any size. Other channels: see `FCN32s`.
        classes: int, at least 1. Defaults to 21, of PASCAL VOC.
        classifier_activation: name of an activation, or None for logits.
            Defaults to None.
        include_preprocessing: bool. Whether images come as RGB of 0 … 255
            and the backbone's preprocessing is part of the network, or they
            are preprocessed already. A backbone given as a model gets them
            as they come. Defaults to True.
        output_stride: int, pixels of the image for a position of the last
            map: 16, or 8 for denser maps at four times the cost. Defaults to
            16.
        multi_grid: ints, the rates of the units of the last stage, on top of
            what the removed strides make. Defaults to None: the paper's
            (1, 2, 4) if the last stage has three convolutions larger than
            1×1, as every ResNet has, and none otherwise.
        rates: ints, of the pyramid; `()` for the 1×1 convolution and the mean
            alone, as the authors' networks for phones have. Defaults to
            None: the paper's, 6, 12, 18 at output stride 16 and double at 8.
        normalization: `"batch"`, `"group"` or `"frozen"`, of the pyramid: see
            `keras_seg.layers.ASPP`. Defaults to `"batch"`.
        dropout: float, rate in front of the scores. Defaults to 0.1.
        freeze_batch_norm: bool, whether the batch norm of the backbone keeps
            its statistics and is not trained. Defaults to False.
        auxiliary: bool, whether there is a second output, the logits of a
            head on the stage before the last, for a second loss. Defaults to
            False.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting: of the image and inside the network.
        name: str, name of the model.

    Returns:
        A functional `keras.Model`: images of any size to float32 logits
        `(batch, height, width, classes)` of the same size.

    Raises:
        ValueError: for arguments that can't be, naming them.
        OSError: if weights can't be downloaded.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.DeepLabV3(
    ...     "mobilenet_v2", weights=None, classes=5)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 5)
    """
    return _deeplab(**locals(), decoder_filters=None)


def DeepLabV3Plus(
    backbone="resnet101",
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    classes=21,
    classifier_activation=None,
    include_preprocessing=True,
    output_stride=16,
    multi_grid=None,
    rates=None,
    normalization="batch",
    dropout=0.1,
    freeze_batch_norm=False,
    auxiliary=False,
    decoder_filters=48,
    data_format=None,
    name="deeplabv3plus",
):
    """DeepLab v3+: DeepLab v3 with a decoder on the maps of stride 4.

    The pyramid's map is enlarged to stride 4, joined to the encoder's last
    map of that stride, reduced to 48 channels, and two 3×3 convolutions
    follow. Plain convolutions, as in the paper's comparison on ResNet-101.
    Further arguments, result and errors are those of
    `keras_seg.applications.DeepLabV3`. On ResNet-50 and 101 it has
    40,352,181 and 59,344,309 weights to train, biases of the backbone not
    counted. Reference:

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
    return _deeplab(**locals())


def _deeplab(
    backbone,
    weights,
    input_tensor,
    input_shape,
    classes,
    classifier_activation,
    include_preprocessing,
    output_stride,
    multi_grid,
    rates,
    normalization,
    dropout,
    freeze_batch_norm,
    auxiliary,
    decoder_filters,
    data_format,
    name,
):
    data_format = standardize_data_format(data_format)
    strided = []

    def convert(model):
        strided.append(model)
        grid = multi_grid
        if grid is None and len(last_convolutions(model)) == 3:
            grid = (1, 2, 4)
        if grid is not None:
            model = spread_last_stage(model, grid)
        return set_output_stride(model, output_stride)

    image, padded, network = begin(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        include_preprocessing=include_preprocessing,
        data_format=data_format,
        freeze_batch_norm=freeze_batch_norm,
        multiple=output_stride,
        remainder=1 if output_stride > 1 else 0,
        minimum=33,
        convert=convert,
    )
    pyramid_layer = ASPP(
        256,
        normalization=normalization,
        dropout=dropout,
        data_format=data_format,
        name="aspp",
    )
    if rates is None:
        pyramid_layer = pyramid_layer.for_output_stride(output_stride)
    else:
        config = {**pyramid_layer.get_config(), "rates": rates}
        pyramid_layer = ASPP.from_config(config)
    x = pyramid_layer(network.output)
    if decoder_filters is not None:
        low = map_of_stride(network, strided[0], 4)
        x = _decode(x, low, decoder_filters, data_format)
    scores = layers.Conv2D(
        classes,
        1,
        kernel_initializer=initializers.TruncatedNormal(stddev=0.01),
        data_format=data_format,
        name="score_fr",
    )(x)
    second = None
    if auxiliary:
        second = auxiliary_head(network, strided[0], classes, data_format)
    return finish(
        scores,
        image,
        classifier_activation,
        data_format,
        name,
        padded,
        align_corners=True,
        auxiliary=second,
    )


def _decode(x, low, filters, data_format):
    """The decoder of v3+, on the encoder's map of stride 4."""
    axis = channel_axis(data_format)

    def block(x, filters, kernel_size, name):
        x = layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            data_format=data_format,
            name=f"{name}_conv",
        )(x)
        x = layers.BatchNormalization(
            axis=axis, epsilon=1e-5, name=f"{name}_norm"
        )(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    low = block(low, filters, 1, "low_level")
    enlarge = ResizeLike(True, data_format=data_format, name="decoder_upscore")
    x = layers.Concatenate(axis=axis, name="decoder_join")(
        [enlarge(x, low), low]
    )
    x = block(x, 256, 3, "decoder_1")
    return block(x, 256, 3, "decoder_2")
