"""What the recipes share."""

from keras_seg.from_logits import gives_logits
from keras_seg.losses import deep_supervision
from keras_seg.metrics import MeanIoU
from keras_seg.optimizers import CaffeSGD
from keras_seg.training.recipes.score_layers import score_layers
from keras_seg.training.recipes.weight_decay import add_weight_decay

__all__ = ["AUXILIARY_WEIGHT", "caffe_sgd", "compile_arguments", "metrics"]

# That of torchvision's references; the papers have no auxiliary heads.
AUXILIARY_WEIGHT = 0.5


def caffe_sgd(
    model,
    learning_rate,
    *,
    momentum=0.9,
    weight_decay=5e-4,
    scores=1.0,
    accumulation=1,
):
    """Prepares a model for Caffe's rule, and returns its optimizer.

    Kernels decay; biases do not, and learn at twice the rate.

    Args:
        model: `keras.Model`; its kernels get their regularizers.
        learning_rate: float or a schedule.
        momentum: float. Defaults to 0.9.
        weight_decay: float. Defaults to 5e-4.
        scores: float, the factor of the rate of `score_layers`. Defaults to
            1.
        accumulation: int, batches in an update. Defaults to 1.

    Returns:
        `CaffeSGD`.
    """
    add_weight_decay(model, weight_decay)
    multipliers = {}
    if scores != 1:
        for layer in score_layers(model):
            for weight in layer.trainable_weights:
                twice = 2.0 if weight.name == "bias" else 1.0
                multipliers[f"^{weight.path}$"] = twice * scores
    paths = [weight.path for weight in model.trainable_weights]
    if any(path.split("/")[-1] == "bias" for path in paths):
        multipliers["(^|/)bias$"] = 2.0
    return CaffeSGD(
        learning_rate,
        momentum,
        multipliers,
        gradient_accumulation_steps=accumulation if accumulation > 1 else None,
    )


def metrics(classes, ignore_class):
    """The metrics of every recipe.

    Args:
        classes: int.
        ignore_class: int, the label of void pixels, or None.

    Returns:
        List of `keras.metrics.Metric`.
    """
    return [MeanIoU(classes, ignore_class=ignore_class)]


def compile_arguments(model, optimizer, loss, ignore_class, weights=None):
    """The dictionary that `model.compile` takes.

    Args:
        model: `keras.Model`; of several outputs the first one predicts.
        optimizer: `keras.optimizers.Optimizer`.
        loss: `keras_seg.losses` for all outputs, or a list of one for each;
            its `from_logits` becomes what the model gives.
        ignore_class: int, the label of void pixels, or None.
        weights: floats, those of the outputs' losses. Defaults to 1 for the
            first and `AUXILIARY_WEIGHT` for others.

    Returns:
        Dictionary with `"optimizer"`, `"loss"` and `"metrics"`.
    """
    others = len(model.outputs) - 1
    if weights is None:
        weights = [1.0, *[AUXILIARY_WEIGHT] * others]
    losses = loss if isinstance(loss, list) else [loss]
    for number, one in enumerate(losses):
        # Of a softmax the probabilities are what the loss is given.
        one.from_logits = gives_logits(model, number) is not False
    found = metrics(model.outputs[0].shape[-1], ignore_class)
    arguments = deep_supervision(model, loss, weights, found)
    return {"optimizer": optimizer, **arguments}
