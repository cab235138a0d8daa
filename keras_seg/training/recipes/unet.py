"""How U-Net was trained."""

from keras_seg.losses import CrossEntropy
from keras_seg.training.recipes.compiling import caffe_sgd
from keras_seg.training.recipes.compiling import compile_arguments

__all__ = ["unet"]


def unet(
    model,
    *,
    learning_rate=0.001,
    weight_decay=0.0,
    accumulation=1,
    ignore_class=255,
):
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
grey values |

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
    optimizer = caffe_sgd(
        model,
        learning_rate,
        momentum=0.99,
        weight_decay=weight_decay,
        accumulation=accumulation,
    )
    loss = CrossEntropy(ignore_class)
    return compile_arguments(model, optimizer, loss, ignore_class)
