"""Fully convolutional networks: FCN-32s, 16s and 8s, and 2s with finer maps."""

import os
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from keras_seg.applications.assembly import begin
from keras_seg.applications.assembly import fcn_head
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import map_of_stride
from keras_seg.applications.backbones import maps_fit
from keras_seg.applications.builder import builder
from keras_seg.applications.dense_vgg import pad_by_100
from keras_seg.arguments import check_one_of
from keras_seg.layers import BilinearConvTranspose
from keras_seg.layers import Conv
from keras_seg.layers import CropLike
from keras_seg.layers import ResizeLike
from keras_seg.ops.backend import standardize_data_format
from keras_seg.surgery import pyramid

__all__ = ["FCN2s", "FCN8s", "FCN16s", "FCN32s"]

# Of the maps, where all is trained at once.
SCALES = {"pool4": 1e-2, "pool3": 1e-4}
# Where the crops begin: of pool4, of pool3, and of the scores enlarged to
# the image, by the stride they were enlarged from.
OFFSETS = {"pool4": 5, "pool3": 9, 32: 19, 16: 27, 8: 31}


@builder
def FCN32s(
    backbone: str | keras.Model = "vgg16",
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    dropout: float = 0.5,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    geometry: str = "aligned",
    upsampling: str = "bilinear",
    data_format: str | None = None,
    name: str = "fcn32s",
) -> keras.Model:
    """FCN-32s: class scores at stride 32, enlarged to the image.

    The classifier's fully connected layers become convolutions, a 1×1
    convolution scores the classes, and bilinear interpolation brings the
    scores to the size of the image. Reference:

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1411.4038) (CVPR 2015)

    With `geometry="aligned"` the image is padded, below and on the right, to
    a multiple of 32, the layers keep the size of their maps, and the result
    is cropped. With `geometry="paper"`, on a VGG, the network is the
    published one: the first convolution pads by 100, pools round up, the
    fully connected layers do not pad, fixed bilinear transposed convolutions
    enlarge, and what they give is cropped from offset 19 (FCN-16s: 5 and 27,
    FCN-8s: 5, 9 and 31). As in the paper, the scores start at zero.

    With `upsampling="transposed_convolution"` every enlargement is a transposed
    convolution that is trained. Its kernel has twice the factor and begins as
    bilinear interpolation of each class: one of 64×64 with stride 32 enlarges
    the 7×7 scores of a 224×224 image. Before training the logits are those of
    `"bilinear"`, but for a border of 16 pixels (FCN-16s: 24, FCN-8s: 28) of the
    padded image: there values fade, as what is outside the map counts as zero.
    In the paper the last kernel is fixed, in the authors' code all of them are;
    `model.get_layer("upscore32").trainable = False` (FCN-16s: `"upscore16"`,
    FCN-8s: `"upscore8"`) does the former.

    FCN-16s begins from a trained FCN-32s, FCN-8s from FCN-16s:
    `keras_seg.surgery.transplant(coarse, fine)`.

    Args:
        backbone: str, a name of `keras.applications`, or a functional
            `keras.Model` of any image classifier or encoder. Defaults to
            `"vgg16"`, with its fully connected layers.
        weights: None for random weights, `"imagenet"`, or the path of a file
            with the weights of the backbone; for a backbone given by name.
            Weights of the whole network load with `model.load_weights`.
            Defaults to `"imagenet"`.
        input_tensor: tensor to use as the image. Defaults to a new input.
        input_shape: shape of the image without the batch. Defaults to
            `(None, None, 3)`, any size. A gray image, of 1 channel, is taken
            for red, green and blue alike; with more than 3 channels, the
            first are these, and the kernels of the others begin at zero.
        classes: int; 1 for background and object, with the logit of the
            object alone. Defaults to 21, of PASCAL VOC.
        classifier_activation: None for logits, `"softmax"`, or `"sigmoid"`
            for one class or labels that may overlap. Defaults to None.
        include_preprocessing: bool. Whether images come as RGB of 0 … 255
            and the backbone's preprocessing is part of the network, or they
            are preprocessed already. A backbone given as a model gets them
            as they come. Defaults to True.
        dropout: float, rate after each hidden fully connected layer of the
            backbone. Defaults to 0.5.
        freeze_batch_norm: bool, whether the batch norm of the backbone keeps
            its statistics and is not trained. Defaults to False.
        auxiliary: bool, whether there is a second output, the logits of a
            head on the last map of stride 16, for a second loss in training;
            with the aligned geometry. Defaults to False.
        geometry: `"aligned"` or `"paper"`. Defaults to `"aligned"`.
        upsampling: `"bilinear"`, which is not trained, or
            `"transposed_convolution"`. Defaults to `"bilinear"`.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting: of the image and inside the network.
        name: str, name of the model.

    Returns:
        A functional `keras.Model`: images of any size to float32 logits
        `(batch, height, width, classes)` of the same size.

    Raises:
        ValueError: If an argument is out of range. The message names it.
        OSError: If weights cannot be downloaded.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.FCN32s(
    ...     "mobilenet_v2", weights=None, classes=5)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 5)
    """
    return _fcn(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        classifier_activation=classifier_activation,
        include_preprocessing=include_preprocessing,
        dropout=dropout,
        freeze_batch_norm=freeze_batch_norm,
        auxiliary=auxiliary,
        geometry=geometry,
        upsampling=upsampling,
        data_format=data_format,
        name=name,
        skips=(),
    )


@builder
def FCN16s(
    backbone: str | keras.Model = "vgg16",
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    dropout: float = 0.5,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    geometry: str = "aligned",
    upsampling: str = "bilinear",
    at_once: bool = False,
    data_format: str | None = None,
    name: str = "fcn16s",
) -> keras.Model:
    """FCN-16s: FCN-32s with the scores of the maps at stride 16 added.

    On VGG16 these are the scores of pool4; on a network whose strides are
    not max pools, those of the last map before stride 32. Further arguments,
    result and errors are those of `keras_seg.applications.FCN32s`.

    Args:
        at_once: bool, whether the maps of stride 16 are multiplied by 0.01
            and those of stride 8 by 0.0001 in front of their scores: the
            authors' way to train all in one stage. Defaults to False.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.FCN16s(
    ...     "mobilenet_v2", weights=None, classes=5)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 5)
    """
    return _fcn(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        classifier_activation=classifier_activation,
        include_preprocessing=include_preprocessing,
        dropout=dropout,
        freeze_batch_norm=freeze_batch_norm,
        auxiliary=auxiliary,
        geometry=geometry,
        upsampling=upsampling,
        at_once=at_once,
        data_format=data_format,
        name=name,
        skips=(16,),
    )


@builder
def FCN8s(
    backbone: str | keras.Model = "vgg16",
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    dropout: float = 0.5,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    geometry: str = "aligned",
    upsampling: str = "bilinear",
    at_once: bool = False,
    data_format: str | None = None,
    name: str = "fcn8s",
) -> keras.Model:
    """FCN-8s: FCN-16s with the scores of the maps at stride 8 added.

    On VGG16 these are the scores of pool4 and pool3. Arguments, result and
    errors are those of `keras_seg.applications.FCN16s`.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.FCN8s(
    ...     "mobilenet_v2", weights=None, classes=5)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 5)
    """
    return _fcn(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        classifier_activation=classifier_activation,
        include_preprocessing=include_preprocessing,
        dropout=dropout,
        freeze_batch_norm=freeze_batch_norm,
        auxiliary=auxiliary,
        geometry=geometry,
        upsampling=upsampling,
        at_once=at_once,
        data_format=data_format,
        name=name,
        skips=(16, 8),
    )


@builder
def FCN2s(
    backbone: str | keras.Model = "vgg16",
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    dropout: float = 0.5,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    upsampling: str = "bilinear",
    data_format: str | None = None,
    name: str = "fcn2s",
) -> keras.Model:
    """FCN-8s with the scores of the maps at stride 4 and 2 added.

    The paper stops at stride 8, where its own gain ended. On MobileNetV2 the
    finer maps cost 3,000 weights; what they are worth on CamVid is measured
    in applications/camvid, one seed each. A backbone whose
    finest map has a stride of 4, such as ConvNeXt or a transformer, has no
    scores at 2. Arguments, result and errors are those of
    `keras_seg.applications.FCN32s`, with the aligned geometry.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.FCN2s(
    ...     "mobilenet_v2", weights=None, classes=5)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 5)
    """
    return _fcn(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        classifier_activation=classifier_activation,
        include_preprocessing=include_preprocessing,
        dropout=dropout,
        freeze_batch_norm=freeze_batch_norm,
        auxiliary=auxiliary,
        upsampling=upsampling,
        data_format=data_format,
        name=name,
        skips=(16, 8, 4, 2),
    )


def _fcn(
    backbone: str | keras.Model,
    weights: str | os.PathLike | None,
    classes: int,
    classifier_activation: str | None,
    auxiliary: bool,
    upsampling: str,
    data_format: str | None,
    name: str,
    skips: tuple[int, ...],
    geometry: str = "aligned",
    at_once: bool = False,
    **options: Any,
) -> keras.Model:
    """Passes to `begin` the `options` that make the backbone."""
    data_format = standardize_data_format(data_format)
    check_one_of(("aligned", "paper"), geometry=geometry)
    check_one_of(("bilinear", "transposed_convolution"), upsampling=upsampling)
    paper = geometry == "paper"
    trained = upsampling == "transposed_convolution"
    if paper and auxiliary:
        raise ValueError(
            "The published network has no auxiliary head: `auxiliary` needs "
            "geometry='aligned'. Received: auxiliary=True, geometry='paper'"
        )
    image, padded, network, _ = begin(
        backbone,
        weights,
        classes=classes,
        data_format=data_format,
        dropout_elsewhere=False,
        padding="valid" if paper else "same",
        multiple=1 if paper else 32,
        several=bool(skips),
        convert=pad_by_100 if paper else None,
        **options,
    )
    layout: Any = {"data_format": data_format}
    levels = pyramid(network, pools=True, verify=False)
    if (
        trained
        and not paper
        and not maps_fit(network, padded, levels, data_format)
    ):
        raise ValueError(
            "Transposed convolutions enlarge by whole factors, and the maps of "
            f"the backbone '{network.name}', which does not pad, have other "
            "sizes: they need upsampling='bilinear'. "
            f"Received: upsampling={upsampling!r}"
        )
    skips = tuple(x for x in skips if x > 2 or x in levels)
    if missing := [stride for stride in skips if stride not in levels]:
        raise ValueError(
            f"The backbone '{network.name}' has no maps of stride "
            f"{missing[0]} to add; it has strides {list(levels)}."
        )

    def score(tensor, name):
        conv = Conv(classes, 1, kernel_initializer="zeros", name=name, **layout)
        return conv(tensor)

    def enlarge(x, factor, name):
        return BilinearConvTranspose(
            factor=factor,
            padding="valid" if paper else "same",
            data_format=data_format,
            trainable=trained,
            name=name,
        )(x)

    stride = max(levels)
    x = score(levels[stride], "score_fr")
    # On VGG16 the map of stride 16 is pool4, and so on.
    for number, finer in zip((4, 3, 2, 1), skips, strict=False):
        pool = f"pool{number}"
        skip = levels[finer]
        if at_once:
            factor = SCALES[pool]
            skip = layers.Rescaling(factor, name=f"scale_{pool}")(skip)
        skip = score(skip, f"score_{pool}")
        if paper or trained:
            x = enlarge(x, stride // finer, f"upscore_{pool}")
        else:
            x = ResizeLike(name=f"upscore_{pool}", **layout)(x, skip)
        if paper:
            crop = CropLike(OFFSETS[pool], name=f"crop_{pool}", **layout)
            skip = crop(skip, x)
        x = layers.Add(name=f"fuse_{pool}")([x, skip])
        stride = finer
    second = None
    if auxiliary:
        middle = map_of_stride(network, network, 16)
        second = fcn_head(middle, classes, data_format)
    if paper or trained:
        # A name for each size, for `transplant` to leave it out.
        x = enlarge(x, stride, f"upscore{stride}")
    return finish(
        x,
        image,
        classifier_activation,
        data_format,
        name,
        padded,
        auxiliary=second,
        enlarge=not (paper or trained),
        offset=OFFSETS[stride] if paper else 0,
    )
