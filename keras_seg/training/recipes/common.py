"""What the papers' recipes share: Caffe's rule, weight decay, batch norm."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_seg.crf import DenseCRF
from keras_seg.from_logits import gives_logits
from keras_seg.keras_private import run_through_graph
from keras_seg.layers import ASPP
from keras_seg.layers import BilinearConvTranspose
from keras_seg.layers import CropLike
from keras_seg.layers import ResizeLike
from keras_seg.layers.base import nested_layers
from keras_seg.losses import deep_supervision
from keras_seg.losses.base import SegmentationLoss
from keras_seg.metrics import MeanIoU
from keras_seg.optimizers import CaffeSGD
from keras_seg.score_form import is_multi_label
from keras_seg.score_form import number_of_classes
from keras_seg.surgery.graph import check_plain

__all__ = [
    "add_weight_decay",
    "caffe_arguments",
    "metric_form",
    "momentum_for",
    "score_layers",
    "set_batch_norm_momentum",
]

# That of torchvision's references; the papers have no auxiliary heads.
_AUXILIARY_WEIGHT = 0.5
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
# Layers whose second argument is a size or an image, and no scores.
_LIKE_ANOTHER = (CropLike, DenseCRF, ResizeLike)


def caffe_arguments(
    model: keras.Model,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    loss: SegmentationLoss | list[SegmentationLoss],
    *,
    momentum: float = 0.9,
    weight_decay: float,
    depthwise: bool = True,
    scores: float = 1.0,
    accumulation: int = 1,
    loss_weights: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Prepares a model for Caffe's rule, and returns what `compile` takes.

    Kernels decay; biases do not, and learn at twice the rate. The
    `from_logits` of the losses is set to what the model gives.

    Args:
        depthwise: whether depthwise kernels decay.
        scores: factor of the rate of `score_layers`.
        accumulation: batches in an update.
        loss_weights: of the outputs. Defaults to 1 for the first and 0.5 for
            others.
    """
    add_weight_decay(model, weight_decay, depthwise)
    multipliers = {}
    if scores != 1:
        for layer in score_layers(model):
            for weight in layer.trainable_weights:
                twice = 2.0 if weight.name == "bias" else 1.0
                multipliers[f"^{weight.path}$"] = twice * scores
    paths = [weight.path for weight in model.trainable_weights]
    if any(path.split("/")[-1] == "bias" for path in paths):
        multipliers["(^|/)bias$"] = 2.0
    optimizer = CaffeSGD(
        learning_rate,
        momentum,
        multipliers,
        gradient_accumulation_steps=accumulation if accumulation > 1 else None,
    )
    if loss_weights is None:
        others = len(model.outputs) - 1
        loss_weights = [1.0, *[_AUXILIARY_WEIGHT] * others]
    losses = loss if isinstance(loss, list) else [loss]
    for number, one in enumerate(losses):
        one.from_logits = gives_logits(model, number) is not False
    form = metric_form(model)
    metrics = [MeanIoU(**form, ignore_class=losses[0].ignore_class)]
    arguments = deep_supervision(model, loss, loss_weights, metrics)
    return {"optimizer": optimizer, **arguments}


def metric_form(model: keras.Model) -> dict[str, Any]:
    """What a metric of a model's scores has to know of them.

    >>> from keras_seg.applications import UNet
    >>> metric_form(UNet(classes=1, filters=4))
    {'num_classes': 2, 'multi_label': False, 'from_logits': True}
    """
    return {
        "num_classes": number_of_classes(model),
        "multi_label": is_multi_label(model),
        "from_logits": gives_logits(model) is not False,
    }


def add_weight_decay(
    model: keras.Model, weight_decay: float, depthwise: bool = True
) -> keras.Model:
    """Adds `weight_decay / 2 · Σ w²` of every kernel to the loss.

    Its gradient is `weight_decay · w` and passes through the momentum, as in
    Caffe: this is the weight decay that the papers state. The weight decay of
    Keras's optimizers bypasses the momentum and includes the biases, and
    `keras.regularizers.L2(x)` is `x · Σ w²`, without the half.

    Kernels of convolutions (also transposed and depthwise) and of dense layers
    decay. Biases, the scale and offset of norms, and frozen kernels do not. A
    layer's own kernel regularizer is replaced. The regularizer is saved with
    the model.

    Args:
        model: `keras.Model`, built; changed in place. Call it before
            `compile`.
        weight_decay: float, 0 for none.
        depthwise: bool, whether depthwise kernels decay; the authors of
            DeepLab v3 leave them out. Defaults to True.

    Returns:
        The model.

    Raises:
        ValueError: If `weight_decay` is below 0, or for a layer with LoRA or a
            quantized one, whose kernel is no variable that could decay.

    Example:

    >>> import keras
    >>> from keras_seg.training.recipes import add_weight_decay
    >>> model = keras.Sequential([
    ...     keras.Input((None, None, 3)),
    ...     keras.layers.Conv2D(1, 1, kernel_initializer="ones"),
    ... ])
    >>> (loss,) = add_weight_decay(model, 0.5).losses
    >>> float(keras.ops.convert_to_numpy(loss))
    0.75
    """
    if not weight_decay >= 0:
        raise ValueError(
            "`weight_decay` must be a number of at least 0. "
            f"Received: weight_decay={weight_decay!r}"
        )
    for layer in nested_layers(model):
        check_plain(layer)
        for kind in ("kernel", "depthwise", "pointwise"):
            attribute = f"{kind}_regularizer"
            if not hasattr(layer, attribute):
                continue
            regularizer = None
            if weight_decay > 0 and (depthwise or kind != "depthwise"):
                regularizer = keras.regularizers.L2(weight_decay / 2)
            # The attribute is saved with the layer, the variable is trained.
            setattr(layer, attribute, regularizer)
            variable = _kernel(layer, kind)
            if variable is not None:
                variable.regularizer = regularizer
    return model


def _kernel(layer: keras.Layer, kind: str) -> keras.Variable | None:
    """Returns the variable; a layer that only holds others has none."""
    name = "kernel" if kind == "kernel" else f"{kind}_kernel"
    if not hasattr(layer, name) and isinstance(layer, _DEPTHWISE):
        name = "kernel"  # What Keras calls their only kernel.
    return getattr(layer, name, None)


def score_layers(model: keras.Model) -> list[keras.Layer]:
    """Finds the last convolutions, whose channels are the classes.

    From each output back along the graph, the first layer with a trained
    kernel: several where scores are summed, as in FCN-8s or the pyramid of
    DeepLab v2, and those of an auxiliary head. In the papers' networks these
    layers begin with random weights and learn at ten times the rate of the
    others, such as `fc8` of DeepLab v1.

    Args:
        model: a functional `keras.Model`.

    Returns:
        List of layers.

    Raises:
        ValueError: For a layer with LoRA or a quantized one.

    Example:

    >>> import keras, keras_seg
    >>> from keras_seg.training.recipes import score_layers
    >>> convs = [keras.layers.Conv2D(8, 3, 2, "same") for _ in range(5)]
    >>> backbone = keras.Sequential([keras.Input((None, None, 3)), *convs])
    >>> model = keras_seg.applications.FCN8s(backbone, classes=5)
    >>> [layer.name for layer in score_layers(model)]
    ['score_fr', 'score_pool4', 'score_pool3']
    """
    for layer in nested_layers(model):
        check_plain(layer)
    last: list = [frozenset()] * len(model.inputs)
    found = frozenset().union(
        *keras.tree.flatten(run_through_graph(model, last, _pass_on))
    )
    return [layer for layer in nested_layers(model) if layer in found]


def _pass_on(operation: keras.Operation, *args, **kwargs) -> Any:
    """Returns the last layers with kernels before an operation's outputs."""
    last = _kernel_layers(operation)
    if not last:
        before = [
            value
            for value in keras.tree.flatten((args, kwargs))
            if isinstance(value, frozenset)
        ]
        if isinstance(operation, _LIKE_ANOTHER):
            before = before[:1]
        last = frozenset().union(*before)
    return keras.tree.map_structure(lambda _: last, operation.output)


def _kernel_layers(operation: keras.Operation) -> frozenset[keras.Layer]:
    if not isinstance(operation, keras.Layer):
        return frozenset()
    if isinstance(operation, keras.Model):
        return frozenset(score_layers(operation))
    if isinstance(operation, BilinearConvTranspose):
        return frozenset()  # It enlarges scores.
    if isinstance(operation, ASPP) and operation.version != "v3":
        return frozenset(branch[-1] for branch in operation.form.branches)
    return frozenset(
        layer
        for layer in nested_layers(operation)
        if layer.trainable_weights
        and isinstance(getattr(layer, "kernel", None), keras.Variable)
    )


def momentum_for(steps: int) -> float:
    """Returns the momentum of moving averages for a training of some steps.

    DeepLab v3 has 0.9997 for 30,000 steps, which is nine time constants of 1 /
    (1 - momentum) = 3,333 steps. This keeps nine time constants for any number
    of steps: `1 - 9 / steps`, in 0.9 … 0.9997.

    Args:
        steps: int, updates in the whole run.

    Returns:
        A float.

    Example:

    >>> from keras_seg.training.recipes import momentum_for
    >>> momentum_for(30_000), round(momentum_for(1000), 4), momentum_for(20)
    (0.9997, 0.991, 0.9)
    """
    return min(max(0.9, 1 - 9 / steps), 0.9997)


def set_batch_norm_momentum(model: keras.Model, momentum: float) -> keras.Model:
    """Sets the momentum of the moving averages of every batch norm.

    Args:
        model: `keras.Model`, changed in place.
        momentum: float, the share of the old average, as in Keras and
            TensorFlow. PyTorch's momentum is 1 minus this.

    Returns:
        The model.

    Example:

    >>> import keras
    >>> from keras_seg.training.recipes import set_batch_norm_momentum
    >>> model = keras.Sequential([keras.layers.BatchNormalization()])
    >>> set_batch_norm_momentum(model, 0.9997).layers[0].momentum
    0.9997
    """
    for layer in nested_layers(model):
        # A pyramid saves the momentum of the norms that it makes.
        if isinstance(layer, keras.layers.BatchNormalization | ASPP):
            layer.momentum = momentum
    return model
