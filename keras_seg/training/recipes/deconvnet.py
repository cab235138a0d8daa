"""How DeconvNet was trained."""

from keras_seg.losses import CrossEntropy
from keras_seg.schedules import Step
from keras_seg.training.recipes.compiling import caffe_sgd
from keras_seg.training.recipes.compiling import compile_arguments

__all__ = ["deconvnet"]

# Updates of one rate, of the stages.
EVERY = {1: 9_000, 2: 10_000}


def deconvnet(
    model,
    stage=1,
    *,
    every=None,
    learning_rate=0.01,
    weight_decay=5e-4,
    accumulation=8,
    ignore_class=255,
):
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
        ValueError: if there is no such stage.

    Example:

    >>> import keras_seg
    >>> from keras_seg.training import recipes
    >>> model = keras_seg.applications.DeconvNet(
    ...     weights=None, classes=3, filters=4, hidden_filters=8)
    >>> model.compile(**recipes.deconvnet(model))
    """
    if stage not in EVERY:
        raise ValueError(f"`stage` must be 1 or 2. Received: stage={stage!r}")
    optimizer = caffe_sgd(
        model,
        Step(learning_rate, every or EVERY[stage], accumulation=accumulation),
        weight_decay=weight_decay,
        accumulation=accumulation,
    )
    loss = CrossEntropy(ignore_class)
    return compile_arguments(model, optimizer, loss, ignore_class)
