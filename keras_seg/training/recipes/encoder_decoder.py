"""How U-Net, SegNet and DeconvNet were trained."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_seg.arguments import check_one_of
from keras_seg.layers import LocalResponseNormalization
from keras_seg.losses import CrossEntropy
from keras_seg.schedules import Step
from keras_seg.training.recipes.common import caffe_arguments

__all__ = [
    "deconvnet",
    "segnet",
    "unet",
]


def unet(
    model: keras.Model,
    *,
    learning_rate: float = 0.001,
    weight_decay: float = 0.0,
    accumulation: int = 1,
    ignore_class: int | None = 255,
) -> dict[str, Any]:
    """U-Net: large tiles one by one, a high momentum.

    - [U-Net](https://arxiv.org/abs/1505.04597)

    | | |
    |---|---|
    | loss | weighted cross-entropy of pixels |
    | optimizer | SGD, momentum 0.99 |
    | biases | twice the rate |
    | the caller's: batch | 1 large tile |
    | the caller's: weights of pixels | `keras_seg.losses.border_weights`, as \
sample weights |
    | the caller's: images | shifted, rotated, deformed on a 3×3 grid, other \
gray values |

    Neither the learning rate nor a weight decay is printed: 0.001, on the
    mean over the pixels where the paper has their sum, and none are chosen
    here. (On synthetic membranes, 192 updates of one image, the loss ended
    lower with 0.001 than with 0.0001, 0.003, 0.01 and 0.03.) With a momentum
    of 0.99 the steps add up to 100 times the rate; with 0.9 the same takes
    ten times the rate.

    Args:
        model: `keras_seg.applications.UNet`; its kernels get their
            regularizers.
        learning_rate: float. Defaults to 0.001.
        weight_decay: float. Defaults to 0.
        accumulation: int, batches in an update. Defaults to 1.
        ignore_class: int, the label of void pixels. Defaults to 255.

    Returns:
        Dictionary of arguments of `model.compile`.

    Example:

    >>> import keras_seg
    >>> from keras_seg.training import recipes
    >>> model = keras_seg.applications.UNet(classes=2, filters=4)
    >>> model.compile(**recipes.unet(model))
    >>> model.optimizer.momentum
    0.99
    """
    return caffe_arguments(
        model,
        learning_rate,
        CrossEntropy(ignore_class),
        momentum=0.99,
        weight_decay=weight_decay,
        accumulation=accumulation,
    )


def segnet(
    model: keras.Model,
    *,
    learning_rate: float | None = None,
    class_weights: Sequence[float] | dict[int, float] | None = None,
    weight_decay: float = 5e-4,
    accumulation: int = 1,
    ignore_class: int | None = 255,
) -> dict[str, Any]:
    """SegNet and SegNet-Basic, as in the authors' tutorial.

    - [SegNet](https://arxiv.org/abs/1511.00561)

    | | |
    |---|---|
    | loss | class weights by median frequency, divided by the number of \
pixels |
    | optimizer | SGD, momentum 0.9 |
    | learning rate, fixed | 0.001; SegNet-Basic 0.1 |
    | biases | twice the rate, no decay |
    | weight decay | 5e-4, coupled |
    | batch norm | trained |
    | the caller's: batch | 4 (CamVid in the paper: 5) |
    | the caller's: updates | 40,000; SegNet-Basic 10,000 |

    The authors compute the statistics of batch norm anew after training, over
    the whole training set; here they are the moving averages.

    Args:
        model: `keras_seg.applications.SegNet` or `SegNetBasic`; its kernels
            get their regularizers.
        learning_rate: float. Defaults to the model's.
        class_weights: floats, one a class:
            `keras_seg.losses.class_weights(statistics, "median_frequency")`.
            Defaults to None, all 1.
        weight_decay: float. Defaults to 5e-4.
        accumulation: int, batches in an update. Defaults to 1.
        ignore_class: int, the label of void pixels. Defaults to 255.

    Returns:
        Dictionary of arguments of `model.compile`.

    Example:

    >>> import keras_seg
    >>> from keras_seg.training import recipes
    >>> model = keras_seg.applications.SegNetBasic(classes=3, filters=4)
    >>> model.compile(**recipes.segnet(model, class_weights=[0.2, 1.0, 5.0]))
    >>> round(float(model.optimizer.learning_rate), 3)
    0.1
    """
    if learning_rate is None:
        kinds = [type(layer) for layer in model.layers]
        learning_rate = 0.1 if LocalResponseNormalization in kinds else 0.001
    return caffe_arguments(
        model,
        learning_rate,
        CrossEntropy(ignore_class, class_weights, reduction="mean_over_pixels"),
        weight_decay=weight_decay,
        accumulation=accumulation,
    )


# Updates of one rate, of the stages.
EVERY = {1: 9_000, 2: 10_000}


def deconvnet(
    model: keras.Model,
    stage: int = 1,
    *,
    every: int | None = None,
    learning_rate: float = 0.01,
    weight_decay: float = 5e-4,
    accumulation: int = 8,
    ignore_class: int | None = 255,
) -> dict[str, Any]:
    """DeconvNet: easy crops first, then object proposals.

    - [Learning Deconvolution Network for Semantic Segmentation](
      https://arxiv.org/abs/1505.04366)

    | | |
    |---|---|
    | loss | mean over pixels, void left out |
    | optimizer | SGD, momentum 0.9, 8 batches accumulated |
    | learning rate | 0.01; a tenth after every 9,000 updates in stage 1, \
10,000 in stage 2 |
    | biases | twice the rate, no decay |
    | weight decay | 5e-4, coupled |
    | batch norm | trained |
    | the caller's: batch | 8, so 64 in an update |
    | the caller's: updates | 20,000 in stage 1, 40,000 in stage 2 |
    | the caller's: images | crops around an object, then around proposals, \
resized to 250, a random 224×224 of them, mirrored |

    The authors average the statistics of batch norm after training; here they
    are the moving averages.

    Args:
        model: `keras_seg.applications.DeconvNet`; its kernels get their
            regularizers.
        stage: 1 or 2. Defaults to 1.
        every: int, updates of one rate. Defaults to the stage's.
        learning_rate: float, of the first updates. Defaults to 0.01.
        weight_decay: float. Defaults to 5e-4.
        accumulation: int, batches in an update. Defaults to 8.
        ignore_class: int, the label of void pixels. Defaults to 255.

    Returns:
        Dictionary of arguments of `model.compile`.

    Raises:
        ValueError: If there is no such stage.

    Example:

    >>> import keras_seg
    >>> from keras_seg.training import recipes
    >>> model = keras_seg.applications.DeconvNet(
    ...     weights=None, classes=3, filters=4, hidden_filters=8)
    >>> model.compile(**recipes.deconvnet(model))
    """
    check_one_of(EVERY, stage=stage)
    return caffe_arguments(
        model,
        Step(learning_rate, every or EVERY[stage], accumulation=accumulation),
        CrossEntropy(ignore_class),
        weight_decay=weight_decay,
        accumulation=accumulation,
    )
