"""DeepLab v1: VGG16 with holes, a large field of view."""

from keras import initializers
from keras import layers

from keras_seg.applications.assembly import begin
from keras_seg.applications.assembly import finish
from keras_seg.layers.base import positive_int
from keras_seg.ops.formats import channel_axis
from keras_seg.ops.formats import standardize_data_format
from keras_seg.surgery import decimate
from keras_seg.surgery import graph

__all__ = ["DeepLabV1", "dense_vgg", "has_vgg_plan"]

POOLS = 5


def DeepLabV1(
    backbone="vgg16",
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    classes=21,
    classifier_activation=None,
    include_preprocessing=True,
    kernel_size=3,
    rate=12,
    filters=1024,
    multi_scale=False,
    dropout=0.5,
    seed=0,
    data_format=None,
    name="deeplabv1",
):
    """DeepLab v1: VGG16's own layers at stride 8, on a large field of view.

    The last two pools lose their stride, the convolutions behind them see at
    rate 2, and the fully connected layers are convolutions whose kernel is
    decimated. Reference:

    - [Semantic Image Segmentation with Deep Convolutional Nets and Fully
      Connected CRFs](https://arxiv.org/abs/1412.7062)

    | variant of the paper | `kernel_size` | `rate` | `filters` | parameters |
    |---|---|---|---|---|
    | DeepLab-LargeFOV | 3 | 12 | 1024 | 20,505,429 |
    | DeepLab-4x4 | 4 | 8 | 4096 | 65,140,565 |
    | DeepLab | 4 | 4 | 4096 | 65,140,565 |
    | DeepLab-7x7 | 7 | 4 | 4096 | 134,346,581 |

    As in the released network, pools are 3×3 and an average pool of 3×3 is
    in front of the first fully connected layer; the paper has neither. The
    image is padded, below and on the right, by the mean colour to a multiple
    of 8 plus 1, as 321 and 513 are, and the scores are enlarged with aligned
    corners. The CRF is no part of the network, as it was none in training.

    Args:
        backbone: str, `"vgg16"` or `"vgg19"`, or a functional `keras.Model`
            of their plan: five 2×2 pools, then `Flatten` and dense layers.
            Defaults to `"vgg16"`.
        weights: None for random weights, `"imagenet"`, or the path of a file
            with the weights of the backbone, its fully connected layers too.
            Defaults to `"imagenet"`.
        input_tensor: tensor to use as the image. Defaults to a new input.
        input_shape: shape of the image without the batch. Defaults to
            `(None, None, 3)`, any size. Other channels: see `FCN32s`.
        classes: int, at least 1. Defaults to 21, of PASCAL VOC.
        classifier_activation: name of an activation, or None for logits.
            Defaults to None.
        include_preprocessing: bool, whether images come as RGB of 0 … 255 or
            are preprocessed already. Defaults to True.
        kernel_size: int, taps of each side of the first fully connected
            layer that stay: 7, 4 or 3. Defaults to 3.
        rate: int, their distance; 12 / 8 / 4 for 3, 4 and 7 taps keeps them
            in place. Defaults to 12.
        filters: int, filters that stay, drawn at random, of the two hidden
            fully connected layers. Defaults to 1024.
        multi_scale: bool, whether the image and the first four pools are
            joined to the last map, each through 3×3 and 1×1 of 128 channels
            (the paper's MSc). Their strides are not published; here the 3×3
            takes the map to stride 8. Defaults to False.
        dropout: float, rate after each hidden fully connected layer. Defaults
            to 0.5.
        seed: int, of the draw of filters.
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

    >>> import keras, keras_seg
    >>> vgg = keras.applications.VGG16(weights=None, input_shape=(64, 64, 3))
    >>> model = keras_seg.applications.DeepLabV1(
    ...     vgg, kernel_size=2, rate=4, classes=3)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 3)
    """
    positive_int("rate", rate)
    data_format = standardize_data_format(data_format)

    def convert(model):
        model, (first, second) = dense_vgg(model)
        model = decimate(
            model,
            first,
            kernel_size=kernel_size,
            filters=filters,
            rate=rate,
            seed=seed,
        )
        return decimate(model, second, filters=filters, seed=seed + 1)

    image, padded, network = begin(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        include_preprocessing=include_preprocessing,
        data_format=data_format,
        dropout=dropout,
        multiple=8,
        remainder=1,
        minimum=33,
        convert=convert,
    )
    x = network.output
    if multi_scale:
        x = _join_scales(x, padded, network, data_format)
    scores = layers.Conv2D(
        classes,
        1,
        kernel_initializer=initializers.RandomNormal(stddev=0.01),
        data_format=data_format,
        name="fc8",
    )(x)
    return finish(
        scores,
        image,
        classifier_activation,
        data_format,
        name,
        padded,
        align_corners=True,
    )


def dense_vgg(model, average=True):
    """VGG's network at stride 8, with the pools of the released DeepLab.

    Args:
        model: an encoder of five 2×2 pools and, behind them, convolutions
            that were fully connected layers.
        average: bool, whether a 3×3 average pool follows the last pool. It
            counts the zeros around the map, as Caffe's does.

    Returns:
        `(network, names)`: the `keras.Model`, and the names of the
        convolutions behind the pools.

    Raises:
        ValueError: if the model has another plan.
    """
    pools, names = _plan(model)
    if len(pools) != POOLS or len(names) != 2:
        raise ValueError(
            "The first DeepLab needs the plan of VGG: five 2×2 max pools and "
            "two hidden fully connected layers. The backbone "
            f"'{model.name}' has {len(pools)} and {len(names)}."
        )
    seen = []
    copier = graph.Copier()
    options = {"data_format": graph.data_format_of(model)}

    def call(operation, *args, **kwargs):
        copy, changes = copier.copy, {}
        if operation in pools:
            seen.append(operation)
            changes = {"pool_size": (3, 3), "padding": "same"}
            if len(seen) >= POOLS - 1:
                changes["strides"] = (1, 1)
        elif isinstance(operation, layers.Conv2D) and len(seen) == POOLS - 1:
            changes = {"dilation_rate": (2, 2)}
        elif operation.name == names[0]:
            # 4 = 32 / 8: what the removed strides make of its taps.
            changes = {"dilation_rate": (4, 4)}
        x = copy(operation, **changes)(*args, **kwargs)
        if average and operation is pools[-1]:
            x = layers.ZeroPadding2D(1, name="pool5a_pad", **options)(x)
            x = layers.AveragePooling2D(3, 1, name="pool5a", **options)(x)
        return x

    return graph.rebuild(model, lambda x: x, call, copier), names


def has_vgg_plan(model):
    """Whether an encoder has five pools and two convolutions behind them."""
    pools, names = _plan(model)
    return len(pools) == POOLS and len(names) == 2


def _plan(model):
    """The 2×2 pools of a model, and the names of what is behind the last."""
    pools, names = [], list[str]()
    for layer in model.layers:
        if isinstance(layer, layers.MaxPooling2D):
            if layer.strides == layer.pool_size == (2, 2):
                pools.append(layer)
            names = []
        elif isinstance(layer, layers.Conv2D):
            names.append(layer.name)
    return pools, names


def _join_scales(x, padded, network, data_format):
    """MSc: the image and the first four pools, with the last map."""
    pools = [
        layer.output
        for layer in network.layers
        if isinstance(layer, layers.MaxPooling2D)
    ]
    parts = []
    for number, (tensor, stride) in enumerate(
        zip([padded, *pools[:4]], (8, 4, 2, 1, 1), strict=True)
    ):
        part = tensor
        for suffix, size, strides in (("1", 3, stride), ("2", 1, 1)):
            part = layers.Conv2D(
                128,
                size,
                strides,
                padding="same",
                activation="relu",
                data_format=data_format,
                name=f"scale{number}_conv{suffix}",
            )(part)
        parts.append(part)
    join = layers.Concatenate(axis=channel_axis(data_format), name="scales")
    return join([*parts, x])
