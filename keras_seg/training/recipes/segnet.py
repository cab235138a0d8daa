"""How SegNet was trained."""

from keras_seg.layers import LocalResponseNormalization
from keras_seg.losses import CrossEntropy
from keras_seg.training.recipes.compiling import caffe_sgd
from keras_seg.training.recipes.compiling import compile_arguments

__all__ = ["segnet"]


def segnet(
    model,
    *,
    learning_rate=None,
    class_weights=None,
    weight_decay=5e-4,
    accumulation=1,
    ignore_class=255,
):
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
    optimizer = caffe_sgd(
        model,
        learning_rate,
        weight_decay=weight_decay,
        accumulation=accumulation,
    )
    loss = CrossEntropy(
        ignore_class, class_weights, reduction="mean_over_pixels"
    )
    return compile_arguments(model, optimizer, loss, ignore_class)
