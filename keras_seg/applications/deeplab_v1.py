"""DeepLab v1: VGG16 with holes, a large field of view."""

import os
from collections.abc import Sequence

import keras
from keras import initializers
from keras import layers

from keras_seg.applications.assembly import begin
from keras_seg.applications.assembly import crf_preset
from keras_seg.applications.assembly import fcn_head
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import map_of_stride
from keras_seg.applications.builder import builder
from keras_seg.applications.dense_vgg import base_vgg
from keras_seg.applications.dense_vgg import check_seed
from keras_seg.applications.dense_vgg import dense_vgg
from keras_seg.arguments import check_one_of
from keras_seg.arguments import check_positive
from keras_seg.layers import Conv
from keras_seg.layers import CropLike
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import standardize_data_format
from keras_seg.surgery import decimate

__all__ = ["DeepLabV1"]

LAYOUTS = {"largefov": dense_vgg, "base": base_vgg}


@builder
def DeepLabV1(
    backbone: str | keras.Model = "vgg16",
    weights: str | os.PathLike | None = "imagenet",
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int = 21,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    kernel_size: int = 3,
    dilation_rate: int = 12,
    filters: int = 1024,
    multi_scale: bool = False,
    geometry: str = "largefov",
    dropout: float = 0.5,
    freeze_batch_norm: bool = False,
    auxiliary: bool = False,
    crf: bool | str = False,
    seed: int = 0,
    data_format: str | None = None,
    name: str = "deeplabv1",
) -> keras.Model:
    """DeepLab v1: VGG16's own layers at stride 8, on a large field of view.

    The last two pools lose their stride, the convolutions behind them see at
    rate 2, and the fully connected layers are convolutions whose kernel is
    decimated. Reference:

    - [Semantic Image Segmentation with Deep Convolutional Nets and Fully
      Connected CRFs](https://arxiv.org/abs/1412.7062)

    | variant | `kernel_size` | `dilation_rate` | `filters` | parameters |
    |---|---|---|---|---|
    | DeepLab-LargeFOV | 3 | 12 | 1024 | 20,505,429 |
    | DeepLab-4x4 | 4 | 8 | 4096 | 65,140,565 |
    | DeepLab | 4 | 4 | 4096 | 65,140,565 |
    | DeepLab-7x7 | 7 | 4 | 4096 | 134,346,581 |

    As in the released LargeFOV network, pools are 3×3 and an average pool of
    3×3 is in front of the first fully connected layer; the paper has neither.
    With `geometry="base"` the layout is that of the base network as first
    released: 2×2 pools, the first three padded by 1, and no average pool. The
    image is padded, below and on the right, by the mean color to a multiple
    of 8 plus 1, as 321 and 513 are (in the base layout by a first row and
    column, too: 306 is a multiple plus 2), and the scores are enlarged with
    aligned corners.

    Args:
        backbone: str, `"vgg16"` or `"vgg19"`, or a functional `keras.Model`
            of their plan: five 2×2 pools, then `Flatten` and dense layers.
            Defaults to `"vgg16"`.
        weights: None for random weights, `"imagenet"`, or the path of a file
            with the weights of the backbone, its fully connected layers too.
            Defaults to `"imagenet"`.
        kernel_size: int, taps of each side of the first fully connected
            layer that stay: 7, 4 or 3. Defaults to 3.
        dilation_rate: int, their distance; 12, 8 or 4 for 3, 4 or 7 taps
            keeps them in place. Defaults to 12.
        filters: int, filters that stay, drawn at random, of the two hidden
            fully connected layers. Defaults to 1024.
        multi_scale: bool, whether the image and the first four pools are
            joined to the last map, each through 3×3 and 1×1 of 128 channels
            (the paper's MSc). Their strides are not published; here the 3×3
            takes the map to stride 8. Defaults to False.
        geometry: `"largefov"` or `"base"`, of the pools. Defaults to
            `"largefov"`.
        dropout: float, rate after each hidden fully connected layer. Defaults
            to 0.5.
        auxiliary: bool, whether there is a second output, the logits of a
            head on the last map before the fifth pool, for a second loss in
            training. Defaults to False.
        crf: bool, whether the fully connected CRF refines the logits at last,
            at the size of the image; or str, a preset of
            `keras_seg.dense_crf`, where True is `"deeplab_v1"`. The paper
            trains without it; `keras_seg.crf.DenseCRF` can be put behind a
            trained network. Defaults to False.
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

    >>> import keras, keras_seg
    >>> vgg = keras.applications.VGG16(weights=None, input_shape=(64, 64, 3))
    >>> model = keras_seg.applications.DeepLabV1(
    ...     vgg, kernel_size=2, dilation_rate=4, classes=3)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 3)
    """
    check_positive(dilation_rate=dilation_rate)
    check_one_of(LAYOUTS, geometry=geometry)
    data_format = standardize_data_format(data_format)
    preset = crf_preset(crf, "deeplab_v1", include_preprocessing)

    def convert(model):
        model, (first, second) = LAYOUTS[geometry](model)
        hidden = [model.get_layer(name) for name in (first, second)]
        check_seed(hidden, filters, seed)
        model = decimate(
            model,
            first,
            kernel_size=kernel_size,
            filters=filters,
            dilation_rate=dilation_rate,
            seed=seed,
        )
        return decimate(model, second, filters=filters, seed=seed + 1)

    image, padded, network, strided = begin(
        backbone,
        weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        classes=classes,
        include_preprocessing=include_preprocessing,
        data_format=data_format,
        dropout=dropout,
        freeze_batch_norm=freeze_batch_norm,
        multiple=8,
        remainder=1,
        minimum=33,
        convert=convert,
    )
    x = network.output
    if multi_scale:
        x = _join_scales(x, padded, network, data_format)
    scores = Conv(
        classes,
        1,
        kernel_initializer=initializers.RandomNormal(stddev=0.01),
        data_format=data_format,
        name="fc8",
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
        align_corners=True,
        auxiliary=second,
        crf=preset,
    )


def _join_scales(
    x: keras.KerasTensor,
    padded: keras.KerasTensor,
    network: keras.Model,
    data_format: str,
) -> keras.KerasTensor:
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
            part = Conv(
                128,
                size,
                strides,
                padding="same",
                activation="relu",
                data_format=data_format,
                name=f"scale{number}_conv{suffix}",
            )(part)
        # In the base layout pool3 is a row and a column larger than pool4.
        crop = CropLike(data_format=data_format, name=f"scale{number}_crop")
        parts.append(part if part.shape == x.shape else crop(part, x))
    join = layers.Concatenate(axis=channel_axis(data_format), name="scales")
    return join([*parts, x])
