"""How DeepLab v1 was trained."""

from keras_seg.losses import CrossEntropy
from keras_seg.schedules import Step
from keras_seg.training.recipes.compiling import caffe_sgd
from keras_seg.training.recipes.compiling import compile_arguments

__all__ = ["deeplab_v1"]


def deeplab_v1(
    model,
    *,
    every=2_000,
    learning_rate=0.001,
    weight_decay=5e-4,
    accumulation=1,
    ignore_class=255,
):
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
mean colour, labels with void |

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
    ...     vgg, kernel_size=2, rate=4, filters=8, classes=3)
    >>> model.compile(**recipes.deeplab_v1(model))
    >>> model.optimizer.multiplier("fc8/bias")
    20.0
    """
    optimizer = caffe_sgd(
        model,
        Step(learning_rate, every, accumulation=accumulation),
        weight_decay=weight_decay,
        scores=10.0,
        accumulation=accumulation,
    )
    loss = CrossEntropy(ignore_class, stride=8)
    return compile_arguments(model, optimizer, loss, ignore_class)
