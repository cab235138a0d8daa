"""How DeepLab v3 was trained."""

from keras_seg.applications.batch_norm import freeze_batch_norm
from keras_seg.layers.base import nested_layers
from keras_seg.losses import CrossEntropy
from keras_seg.schedules import Poly
from keras_seg.training.recipes.batch_norm import momentum_for
from keras_seg.training.recipes.batch_norm import set_batch_norm_momentum
from keras_seg.training.recipes.compiling import caffe_sgd
from keras_seg.training.recipes.compiling import compile_arguments
from keras_seg.training.recipes.weight_decay import add_weight_decay

__all__ = ["deeplab_v3"]

RATES = {1: 0.007, 2: 0.001}


def deeplab_v3(
    model,
    steps=30_000,
    stage=1,
    *,
    learning_rate=None,
    weight_decay=None,
    batch_norm_momentum=None,
    accumulation=1,
    ignore_class=255,
):
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
        ValueError: if there is no such stage.

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
    if stage not in RATES:
        raise ValueError(f"`stage` must be 1 or 2. Received: stage={stage!r}")
    if learning_rate is None:
        learning_rate = RATES[stage]
    if weight_decay is None:
        weight_decay = 4e-5 if _has_depthwise(model) else 1e-4
    if stage == 2:
        freeze_batch_norm(model)
    else:
        momentum = batch_norm_momentum or momentum_for(steps)
        set_batch_norm_momentum(model, momentum)
    optimizer = caffe_sgd(
        model,
        Poly(learning_rate, steps, accumulation=accumulation),
        weight_decay=weight_decay,
        accumulation=accumulation,
    )
    add_weight_decay(model, weight_decay, depthwise=False)
    loss = CrossEntropy(ignore_class)
    return compile_arguments(model, optimizer, loss, ignore_class)


def _has_depthwise(model):
    return any(
        hasattr(layer, "depthwise_regularizer")
        and getattr(layer, "separable", True)
        for layer in nested_layers(model)
    )
