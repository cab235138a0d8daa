"""How DeepLab v1, v2, v3 and v3+ were trained."""

from typing import Any

import keras

from keras_seg.applications.batch_norm import freeze_batch_norm
from keras_seg.arguments import check_one_of
from keras_seg.layers import ASPP
from keras_seg.layers import AlignedScale
from keras_seg.layers.base import nested_layers
from keras_seg.losses import CrossEntropy
from keras_seg.losses.base import SegmentationLoss
from keras_seg.schedules import Poly
from keras_seg.schedules import Step
from keras_seg.training.recipes.common import caffe_arguments
from keras_seg.training.recipes.common import momentum_for
from keras_seg.training.recipes.common import set_batch_norm_momentum

__all__ = [
    "deeplab_v1",
    "deeplab_v2",
    "deeplab_v3",
]


def deeplab_v1(
    model: keras.Model,
    *,
    every: int = 2_000,
    learning_rate: float = 0.001,
    weight_decay: float = 5e-4,
    accumulation: int = 1,
    ignore_class: int | None = 255,
) -> dict[str, Any]:
    """DeepLab v1: labels at stride 8, new scores at ten times the rate.

    - [Semantic Image Segmentation with Deep Convolutional Nets and Fully
      Connected CRFs](https://arxiv.org/abs/1412.7062)

    | | |
    |---|---|
    | loss | mean over every 8th pixel of every 8th row, void left out |
    | optimizer | SGD, momentum 0.9 |
    | learning rate | 0.001; a tenth after every 2,000 updates |
    | scores (fc8) | 10 times the rate, their biases 20 times |
    | other biases | twice the rate |
    | weight decay | 5e-4, coupled; none on biases |
    | the caller's: batch, crop | 30 of 321×321 (LargeFOV); 20 of 306×306 in \
the paper |
    | the caller's: updates | 6,000; 8,000 on trainval |
    | the caller's: images | mirrored; padded below and on the right with the \
mean color, labels with void |

    The network trains without a CRF. Images must have sides of `8k + 1`, as
    321: then every 8th logit is one of the small map, and the loss is Caffe's
    on labels shrunk by 8.

    Args:
        model: `keras_seg.applications.DeepLabV1`; its kernels get their
            regularizers.
        every: int, updates of one rate. Defaults to 2,000.
        learning_rate: float, of the first updates. Defaults to 0.001.
        weight_decay: float. Defaults to 5e-4.
        accumulation: int, batches in an update. Defaults to 1.
        ignore_class: int, the label of void pixels. Defaults to 255.

    Returns:
        Dictionary of arguments of `model.compile`.

    Example:

    >>> import keras, keras_seg
    >>> from keras_seg.training import recipes
    >>> from keras import layers
    >>> vgg = keras.Sequential([
    ...     keras.Input((64, 64, 3)),
    ...     *(layers.MaxPooling2D() for _ in range(5)),
    ...     layers.Flatten(), layers.Dense(8), layers.Dense(8), layers.Dense(9),
    ... ])
    >>> model = keras_seg.applications.DeepLabV1(
    ...     vgg, kernel_size=2, dilation_rate=4, filters=8, classes=3)
    >>> model.compile(**recipes.deeplab_v1(model))
    >>> model.optimizer.multiplier("fc8/bias")
    20.0
    """
    return caffe_arguments(
        model,
        Step(learning_rate, every, accumulation=accumulation),
        CrossEntropy(ignore_class, stride=8),
        weight_decay=weight_decay,
        scores=10.0,
        accumulation=accumulation,
    )


def deeplab_v2(
    model: keras.Model,
    steps: int = 20_000,
    *,
    learning_rate: float | None = None,
    weight_decay: float = 5e-4,
    accumulation: int = 1,
    ignore_class: int | None = 255,
) -> dict[str, Any]:
    """DeepLab v2: "poly", labels at stride 8, batch norm frozen.

    - [DeepLab](https://arxiv.org/abs/1606.00915)

    | | |
    |---|---|
    | loss | mean over every 8th pixel of every 8th row, void left out |
    | optimizer | SGD, momentum 0.9 |
    | learning rate | 2.5e-4 on ResNet-101, 0.001 on VGG16; "poly", power 0.9 |
    | scores | 10 times the rate, their biases 20 times |
    | other biases | twice the rate |
    | weight decay | 5e-4, coupled; none on biases |
    | batch norm | frozen, its scale and offset too |
    | updates | 20,000 |
    | the caller's: batch, crop | 10 of 321×321 (ResNet-101: 1, 10 times \
accumulated) |
    | the caller's: images | scaled by 0.5, 0.75, 1, 1.25 or 1.5, mirrored; \
padded below and on the right with the mean color, labels with void |

    Images must have sides of `8k + 1`, as 321: then every 8th logit is one of
    the small map, and the loss is Caffe's on labels shrunk by 8. A model with
    `auxiliary="scales"` is trained with the authors' losses of MSC, of equal
    weight: of the largest scores and of each scale, at stride 16 for 0.5.

    Args:
        model: `keras_seg.applications.DeepLabV2`; its kernels get their
            regularizers, its batch norm is frozen.
        steps: int, updates in the whole run. Defaults to 20,000.
        learning_rate: float, of the first update. Defaults to VGG16's where
            each rate of the pyramid has its own fc6 and fc7, to ResNet's for
            others.
        weight_decay: float. Defaults to 5e-4.
        accumulation: int, batches in an update. Defaults to 1.
        ignore_class: int, the label of void pixels. Defaults to 255.

    Returns:
        Dictionary of arguments of `model.compile`.

    Example:

    >>> import keras, keras_seg
    >>> from keras_seg.training import recipes
    >>> convs = [keras.layers.Conv2D(8, 3, 2, "same") for _ in range(3)]
    >>> backbone = keras.Sequential([keras.Input((None, None, 3)), *convs])
    >>> model = keras_seg.applications.DeepLabV2(backbone, classes=5)
    >>> model.compile(**recipes.deeplab_v2(model, steps=100, accumulation=10))
    >>> f"{float(model.optimizer.learning_rate):.1e}"
    '2.5e-04'
    """
    freeze_batch_norm(model)
    layers = nested_layers(model)
    if learning_rate is None:
        versions = [x.version for x in layers if isinstance(x, ASPP)]
        learning_rate = 0.001 if "v2_vgg16" in versions else 2.5e-4
    scales = [1.0, *(x.factor for x in layers if isinstance(x, AlignedScale))]
    loss: SegmentationLoss | list[SegmentationLoss]
    loss, weights = CrossEntropy(ignore_class, stride=8), None
    if len(scales) > 1 and len(model.outputs) == 1 + len(scales):
        strides = [8, *map(_stride, scales)]
        loss = [CrossEntropy(ignore_class, stride=s) for s in strides]
        weights = [1.0] * len(strides)
    return caffe_arguments(
        model,
        Poly(learning_rate, steps, accumulation=accumulation),
        loss,
        weight_decay=weight_decay,
        scores=10.0,
        accumulation=accumulation,
        loss_weights=weights,
    )


def _stride(scale: float) -> int:
    """Returns the stride at which scores of a scale meet the labels.

    The authors bring the scores of 0.75 to the map of 1, whose pixels lie on
    labels; those of 0.5 stay where they are.
    """
    return int(8 / scale) if 1 / scale == int(1 / scale) else 8


RATES = {1: 0.007, 2: 0.001}


def deeplab_v3(
    model: keras.Model,
    steps: int = 30_000,
    stage: int = 1,
    *,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    batch_norm_momentum: float | None = None,
    accumulation: int = 1,
    ignore_class: int | None = 255,
) -> dict[str, Any]:
    """DeepLab v3 and v3+, in two stages: batch norm trained, then frozen.

    - [Rethinking Atrous Convolution for Semantic Image Segmentation](
      https://arxiv.org/abs/1706.05587)

    | | stage 1 | stage 2 |
    |---|---|---|
    | loss | mean over pixels at the size of the labels, void left out | the \
same |
    | optimizer | SGD, momentum 0.9 | the same |
    | learning rate, "poly", power 0.9 | 0.007 | 0.001 |
    | biases | twice the rate, no decay | the same |
    | weight decay, coupled | 1e-4; 4e-5 on Xception and MobileNet, not on \
depthwise kernels | the same |
    | batch norm | trained, momentum 0.9997 | frozen |
    | updates | 30,000 | 30,000 |
    | the caller's: output stride | 16 | 8 |
    | the caller's: batch, crop | 16 of 513×513; for batch norm at least 12 | \
the same |
    | the caller's: images | scaled by 0.5 … 2 in steps of 0.25, mirrored | \
the same |

    The model of stage 2 is `keras_seg.surgery.set_output_stride(model, 8)`.
    With 0.9997 the moving averages of batch norm need thousands of updates:
    by default a shorter training has a lower momentum, see
    `keras_seg.training.recipes.momentum_for`.

    The authors' optimizer has the learning rate outside of the momentum,
    Keras's and Caffe's inside. They differ only by how much the rate falls
    within some ten updates.

    Args:
        model: `keras_seg.applications.DeepLabV3` or `DeepLabV3Plus`; its
            kernels get their regularizers, its batch norm a momentum, or it is
            frozen.
        steps: int, updates of the stage. Defaults to 30,000.
        stage: 1 or 2. Defaults to 1.
        learning_rate: float, of the first update. Defaults to the stage's.
        weight_decay: float. Defaults to 4e-5 for networks with depthwise
            convolutions, 1e-4 for others.
        batch_norm_momentum: float. Defaults to 0.9997 for 30,000 updates.
        accumulation: int, batches in an update. Batch norm in training sees
            each by itself. Defaults to 1.
        ignore_class: int, the label of void pixels. Defaults to 255.

    Returns:
        Dictionary of arguments of `model.compile`.

    Raises:
        ValueError: If there is no such stage.

    Example:

    >>> import keras, keras_seg
    >>> from keras_seg.training import recipes
    >>> convs = [keras.layers.Conv2D(8, 3, 2, "same") for _ in range(4)]
    >>> backbone = keras.Sequential([keras.Input((None, None, 3)), *convs])
    >>> model = keras_seg.applications.DeepLabV3(backbone, classes=5)
    >>> model.compile(**recipes.deeplab_v3(model, steps=1000))
    >>> round(float(model.optimizer.learning_rate), 4)
    0.007
    """
    check_one_of(RATES, stage=stage)
    if learning_rate is None:
        learning_rate = RATES[stage]
    if weight_decay is None:
        weight_decay = 4e-5 if _has_depthwise(model) else 1e-4
    if stage == 2:
        freeze_batch_norm(model)
    else:
        momentum = batch_norm_momentum or momentum_for(steps)
        set_batch_norm_momentum(model, momentum)
    return caffe_arguments(
        model,
        Poly(learning_rate, steps, accumulation=accumulation),
        CrossEntropy(ignore_class),
        weight_decay=weight_decay,
        depthwise=False,
        accumulation=accumulation,
    )


def _has_depthwise(model: keras.Model) -> bool:
    return any(
        hasattr(layer, "depthwise_regularizer")
        and getattr(layer, "separable", True)
        for layer in nested_layers(model)
    )
