"""How the fully convolutional networks were trained."""

from typing import Any

import keras

from keras_seg.losses import CrossEntropy
from keras_seg.training.recipes.common import caffe_arguments

__all__ = ["fcn_cvpr", "fcn_heavy"]

# Rates of the "heavy" recipe, by the number of maps that are added.
HEAVY_RATES = {0: 1e-10, 1: 1e-12, 2: 1e-14}


def fcn_heavy(
    model: keras.Model,
    *,
    learning_rate: float | None = None,
    weight_decay: float = 5e-4,
    accumulation: int = 1,
    ignore_class: int | None = 255,
) -> dict[str, Any]:
    """FCN as in the authors' repository, the "heavy" recipe.

    Batches of one image and a momentum of 0.99. The loss is summed over the
    pixels, so the rates are small: on a mean over P pixels a rate λ would be
    λ · P. Reference:

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1605.06211)

    | | |
    |---|---|
    | loss | summed over pixels, void left out |
    | optimizer | SGD, momentum 0.99 |
    | learning rate, fixed | 1e-10 for FCN-32s; 1e-12 for FCN-16s and 1e-14 \
for FCN-8s, each begun from the one before; 1e-10 for `at_once=True` |
    | biases | twice the rate, no decay |
    | weight decay | 5e-4, coupled |
    | the caller's: batch | 1 whole image |
    | the caller's: updates | 100,000 a stage; at once 300,000 |
    | augmentation | none |

    Args:
        model: `keras_seg.applications.FCN32s`, `FCN16s` or `FCN8s`; its
            kernels get their regularizers.
        learning_rate: float. Defaults to that of the model's stage.
        weight_decay: float. Defaults to 5e-4.
        accumulation: int, batches in an update. Defaults to 1.
        ignore_class: int, the label of void pixels. Defaults to 255.

    Returns:
        Dictionary of arguments of `model.compile`.

    Example:

    >>> import keras, keras_seg
    >>> from keras_seg.training import recipes
    >>> convs = [keras.layers.Conv2D(8, 3, 2, "same") for _ in range(5)]
    >>> backbone = keras.Sequential([keras.Input((None, None, 3)), *convs])
    >>> model = keras_seg.applications.FCN16s(backbone, classes=5)
    >>> model.compile(**recipes.fcn_heavy(model))
    >>> print(f"{float(model.optimizer.learning_rate):.0e}")
    1e-12
    """
    if learning_rate is None:
        maps, at_once = _stage(model)
        learning_rate = HEAVY_RATES[0 if at_once else maps]
    return caffe_arguments(
        model,
        learning_rate,
        CrossEntropy(ignore_class, reduction="sum"),
        momentum=0.99,
        weight_decay=weight_decay,
        accumulation=accumulation,
    )


def fcn_cvpr(
    model: keras.Model,
    *,
    learning_rate: float | None = None,
    weight_decay: float = 5e-4,
    accumulation: int = 1,
    ignore_class: int | None = 255,
) -> dict[str, Any]:
    """FCN as in the paper of 2015.

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1411.4038)

    | | |
    |---|---|
    | loss | mean over pixels, void left out |
    | optimizer | SGD, momentum 0.9 |
    | learning rate, fixed | 1e-4 on VGG16 (1e-3 on AlexNet, 5e-5 on \
GoogLeNet); 1/100 of it for FCN-16s |
    | biases | twice the rate, no decay |
    | weight decay | 5e-4 or 2e-4, coupled |
    | the caller's: batch | 20 whole images |
    | the caller's: length | at least 175 epochs |

    The rate of FCN-8s is not printed: here it is that of FCN-16s.

    Args:
        model: `keras_seg.applications.FCN32s`, `FCN16s` or `FCN8s`; its
            kernels get their regularizers.
        learning_rate: float. Defaults to VGG16's of the model's stage.
        weight_decay: float. Defaults to 5e-4.
        accumulation: int, batches in an update: 20 for batches of one image.
            Defaults to 1.
        ignore_class: int, the label of void pixels. Defaults to 255.

    Returns:
        Dictionary of arguments of `model.compile`.

    Example:

    >>> import keras, keras_seg
    >>> from keras_seg.training import recipes
    >>> convs = [keras.layers.Conv2D(8, 3, 2, "same") for _ in range(5)]
    >>> backbone = keras.Sequential([keras.Input((None, None, 3)), *convs])
    >>> model = keras_seg.applications.FCN32s(backbone, classes=5)
    >>> model.compile(**recipes.fcn_cvpr(model, accumulation=20))
    >>> model.optimizer.gradient_accumulation_steps
    20
    """
    if learning_rate is None:
        maps, at_once = _stage(model)
        learning_rate = 1e-6 if maps and not at_once else 1e-4
    return caffe_arguments(
        model,
        learning_rate,
        CrossEntropy(ignore_class),
        weight_decay=weight_decay,
        accumulation=accumulation,
    )


def _stage(model: keras.Model) -> tuple[int, bool]:
    """Returns how many maps are added, and whether all is trained at once."""
    names = {layer.name for layer in model.layers}
    maps = len(names & {"score_pool4", "score_pool3"})
    return maps, "scale_pool4" in names
