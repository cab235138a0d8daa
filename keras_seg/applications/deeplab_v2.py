"""DeepLab v2: atrous spatial pyramid pooling, on VGG16 or a ResNet."""

import os
from collections.abc import Sequence
from typing import Any

import keras
from keras import initializers
from keras import layers

from keras_seg.applications.assembly import begin
from keras_seg.applications.assembly import crf_preset
from keras_seg.applications.assembly import fcn_head
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import keeps_corners
from keras_seg.applications.assembly import map_of_stride
from keras_seg.applications.builder import builder
from keras_seg.applications.builder import without_effect
from keras_seg.applications.dense_vgg import check_seed
from keras_seg.applications.dense_vgg import dense_vgg
from keras_seg.applications.dense_vgg import has_vgg_plan
from keras_seg.arguments import check_positive
from keras_seg.layers import ASPP
from keras_seg.layers import AlignedScale
from keras_seg.layers import ResizeLike
from keras_seg.ops.backend import standardize_data_format
from keras_seg.surgery import decimate
from keras_seg.surgery import set_output_stride

__all__ = ["DeepLabV2"]


@builder
def DeepLabV2(
    backbone: str | keras.Model = "resnet101",
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    atrous_rates: Sequence[int] = (6, 12, 18, 24),
    scales: Sequence[float] = (1.0,),
    hidden_filters: int = 1024,
    dropout: float = 0.5,
    freeze_batch_norm: bool = False,
    auxiliary: bool | str = False,
    crf: bool | str = False,
    seed: int = 0,
    data_format: str | None = None,
    name: str = "deeplabv2",
) -> keras.Model:
    """DeepLab v2: a network at stride 8, scored at several rates, summed.

    On a VGG, each rate has the fully connected layers to itself, 3×3 with
    1024 filters, then 1×1, begun from the classifier's decimated ones. On
    any other network, a ResNet in the paper, each rate is one 3×3 convolution
    to the classes. Reference:

    - [DeepLab: Semantic Image Segmentation with Deep Convolutional Nets,
      Atrous Convolution, and Fully Connected CRFs](
      https://arxiv.org/abs/1606.00915)

    | variant of the paper | `backbone` | `atrous_rates` | parameters |
    |---|---|---|---|
    | LargeFOV | `"vgg16"` | 12 | 20,505,429 |
    | ASPP-S | `"vgg16"` | 2, 4, 8, 12 | 37,877,652 |
    | ASPP-L | `"vgg16"` | 6, 12, 18, 24 | 37,877,652 |
    | ASPP | `"resnet101"` | 6, 12, 18, 24 | 44,048,532 |

    (ResNet101 of `keras.applications` has 52,672 biases more, which
    `keras_seg.surgery.drop_biases` takes away exactly.) The paper
    trains its ResNet with batch norm frozen: `freeze_batch_norm=True`. The
    image is padded, below and on the right, by the mean color to a multiple
    of the classifier's stride plus 1 (the paper's 321 = 10 · 32 + 1), and the
    scores are enlarged with aligned corners.

    Args:
        backbone: str, a name of `keras.applications`, or a functional
            `keras.Model` of any image classifier or encoder. One with
            `Flatten` and dense layers is taken for a VGG. Defaults to
            `"resnet101"`.
        weights: None for random weights, `"imagenet"`, or the path of a file
            with the weights of the backbone; for a backbone given by name.
            Defaults to `"imagenet"`.
        atrous_rates: ints, of the pyramid, at stride 8. Defaults to ASPP-L's.
        scales: floats, the sizes of the image that the network sees, 1 the
            first; the largest score of all counts. The paper's MSC is
            `(1.0, 0.75, 0.5)`. Defaults to one, as it is.
        hidden_filters: int, filters of a VGG's fully connected layers that
            stay, drawn at random. Defaults to 1024.
        dropout: float, rate after each of these. Defaults to 0.5.
        auxiliary: bool, whether there is a second output, the logits of a
            head on the last map of stride 16 of the classifier, of the image
            as it is, for a second loss in training; or `"scales"`, the logits
            of each of the `scales` in their order, as further outputs, for
            MSC's losses, see `keras_seg.losses.deep_supervision`. Defaults to
            False.
        crf: bool, whether the fully connected CRF refines the logits at last,
            at the size of the image; or str, a preset of
            `keras_seg.dense_crf`, where True is `"deeplab_v2_vgg16"` on a VGG
            and `"deeplab_v2_resnet101"` on others. The paper trains without
            it; `keras_seg.crf.DenseCRF` can be put behind a trained
            network. Defaults to False.
        seed: int, of the draw of filters.
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
    >>> model = keras_seg.applications.DeepLabV2(
    ...     "mobilenet_v2", weights=None, classes=5, scales=(1.0, 0.5))
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 5)
    """
    data_format = standardize_data_format(data_format)
    _check_scales(scales, auxiliary)
    preset = crf_preset(crf, "deeplab_v2_resnet101", include_preprocessing)
    pretrained: list = []

    def convert(model):
        if not has_vgg_plan(model):
            why = "on a backbone that does not have the plan of VGG"
            without_effect("hidden_filters", hidden_filters, 1024, why)
            without_effect("seed", seed, 0, why)
            return set_output_stride(model, 8)
        model, (first, second) = dense_vgg(model, average=False)
        hidden = [model.get_layer(name) for name in (first, second)]
        _check_hidden(hidden, hidden_filters)
        check_seed(hidden, hidden_filters, seed)
        model = decimate(
            model, first, kernel_size=3, filters=hidden_filters, seed=seed
        )
        model = decimate(model, second, filters=hidden_filters, seed=seed + 1)
        names = (first, second)
        pretrained.extend(model.get_layer(name).get_weights() for name in names)
        return keras.Model(model.inputs, model.get_layer(first).input)

    image, padded, network, strided = begin(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        include_preprocessing=include_preprocessing,
        data_format=data_format,
        dropout=dropout,
        dropout_elsewhere=False,
        freeze_batch_norm=freeze_batch_norm,
        multiple=None,
        remainder=1,
        minimum=1 + int(32 / min(scales)),
        convert=convert,
    )
    aspp = ASPP(
        classes,
        atrous_rates,
        version="v2_vgg16" if pretrained else "v2",
        hidden_filters=hidden_filters,
        dropout=dropout if pretrained else None,
        kernel_initializer=initializers.RandomNormal(stddev=0.01),
        data_format=data_format,
        name="aspp",
    )
    scores = aspp(network.output)
    for branch in aspp.form.branches if pretrained else ():
        fc6, _, fc7, *_ = branch
        for layer, values in zip((fc6, fc7), pretrained, strict=True):
            layer.set_weights(values)
    heads = [scores]
    if auxiliary and auxiliary != "scales":
        middle = map_of_stride(network, strided, 16)
        heads.append(fcn_head(middle, classes, data_format))
    if crf is True and pretrained:
        preset = "deeplab_v2_vgg16"
    maps, *second = _at_scales(heads, padded, scales, data_format)
    if auxiliary == "scales":
        second = [{f"scale_{n}_logits_": x for n, x in enumerate(maps, 1)}]
    scores = maps[0]
    if len(maps) > 1:
        scores = layers.Maximum(name="largest")(maps)
    return finish(
        scores,
        image,
        classifier_activation,
        data_format,
        name,
        padded,
        align_corners=keeps_corners(network),
        auxiliary=second[0] if second else None,
        crf=preset,
    )


def _check_hidden(hidden: Sequence[keras.Layer], hidden_filters: int) -> None:
    """Refuses a VGG whose fc6 and fc7 have too few taps or filters."""
    check_positive(hidden_filters=hidden_filters)
    size = hidden[0].kernel_size[0]
    if size < 3 or size % 2 == 0:
        raise ValueError(
            "`backbone` must be built for images whose last map is 3×3, 5×5 "
            "or 7×7 (96, 160 or 224 pixels for a VGG), of which 3×3 taps "
            f"stay. Received: backbone with a last map of {size}×{size}"
        )
    most = min(layer.filters for layer in hidden)
    if hidden_filters > most:
        raise ValueError(
            f"`hidden_filters` must be at most {most}, those of the fully "
            "connected layers of the backbone. Received: "
            f"hidden_filters={hidden_filters}"
        )


def _at_scales(
    heads: list[keras.KerasTensor],
    padded: keras.KerasTensor,
    scales: Sequence[float],
    data_format: str,
) -> list[Any]:
    """MSC: the scores of several sizes of the image, at the size of the first.

    Returns a list: the list of the scores of the first head, then what the
    other heads make of the image as it is.
    """
    options = {"data_format": data_format}
    if len(scales) == 1:
        return [heads[:1], *heads[1:]]
    network = keras.Model(padded, heads, name="network")
    first, *others = network(padded)
    scores = [first]
    for number, scale in enumerate(scales[1:], start=2):
        x = AlignedScale(scale, name=f"scale_{number}", **options)(padded)
        resize = ResizeLike(True, name=f"scores_{number}", **options)
        scores.append(resize(network(x)[0], first))
    return [scores, *others]


def _check_scales(scales: Sequence[float], auxiliary: bool | str) -> None:
    listed = isinstance(scales, tuple | list) and len(scales) > 0
    if not listed or scales[0] != 1 or not all(s > 0 for s in scales):
        raise ValueError(
            "`scales` must be numbers above 0, 1 the first of them. "
            f"Received: scales={scales!r}"
        )
    if auxiliary not in (True, False, "scales") or (
        auxiliary == "scales" and len(scales) == 1
    ):
        raise ValueError(
            "`auxiliary` must be a bool, or 'scales' where there are several "
            f"`scales`. Received: auxiliary={auxiliary!r}, scales={scales!r}"
        )
