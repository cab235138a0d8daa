"""How to fine-tune a network on images of one's own."""

import re
from collections.abc import Sequence
from typing import Any

import keras

from keras_seg.applications.backbones import backbone_layers
from keras_seg.arguments import check_one_of
from keras_seg.data import VOID
from keras_seg.data.folder import PairSequence
from keras_seg.data.ids import class_statistics
from keras_seg.from_logits import gives_logits
from keras_seg.losses import class_weights as weights_by_rule
from keras_seg.losses import named
from keras_seg.metrics import MeanIoU
from keras_seg.metrics import PixelAccuracy
from keras_seg.optimizers import AdamW
from keras_seg.optimizers import CaffeSGD
from keras_seg.schedules import Poly
from keras_seg.training.recipes.common import metric_form

__all__ = ["finetune"]

OPTIMIZERS = {"adamw": AdamW, "sgd": CaffeSGD}


def finetune(
    data: PairSequence,
    model: keras.Model | None = None,
    *,
    classes: int | None = None,
    epochs: int = 20,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
    backbone: keras.Model | None = None,
    backbone_rate: float = 0.1,
    weight_decay: float = 1e-4,
    class_weights: str | dict | Sequence[float] | None = None,
    loss: str = "cross_entropy",
    optimizer: str = "adamw",
    ema: float | None = None,
    accumulation: int = 1,
    repeat: int = 1,
) -> dict[str, Any]:
    """AdamW whose learning rate falls to 0, cross-entropy without void.

    | | |
    |---|---|
    | loss | mean over pixels, void left out |
    | optimizer | AdamW, weight decay 1e-4 |
    | learning rate | 1e-3; "poly", power 0.9, over all epochs |
    | the backbone's | a tenth of that |

    With random crops of 240×320, scales of 0.75 … 1.5 and 10 epochs, FCN-8s
    on a pretrained MobileNetV2 with frozen batch norm has a mean IoU of 0.63
    on CamVid's validation frames. With one rate for all weights DeepLab v3
    had 0.10 on its training crops after 4 epochs, with a tenth for the
    backbone 0.41.

    `keras-seg train` adds Dice: the reference of settings says why.

    Classes are not weighed unless it is asked for: weights raise the accuracy
    of rare classes, and the pixels that are wrongly given to them. Where a
    class is so rare that it is never predicted, take `"median_frequency"`.

    Args:
        data: what will be trained on, a `keras_seg.data.Folder` or any
            sequence of `(image, mask)`.
        model: `keras.Model` to be trained. Defaults to None: all weights
            learn at one rate.
        classes: int, the number of classes; 1 or 2 for one score a pixel.
            Defaults to that of `data.class_table`.
        epochs: int, how often every image is seen. Defaults to 20.
        batch_size: int. Defaults to 8.
        learning_rate: float, of the first update. Defaults to 1e-3.
        backbone: the `keras.Model` that `model` was built on, see
            `keras_seg.training.freeze_backbone`. Defaults to None: a model of
            `keras_seg.applications` knows it.
        backbone_rate: float, the factor of the learning rate of the layers
            of the model that came from its backbone; 1 for one rate for all.
            Defaults to 0.1.
        weight_decay: float. Defaults to 1e-4.
        class_weights: a rule of `keras_seg.losses.class_weights`, for which
            the masks are counted: `"median_frequency"`, `"balanced"`, a dict
            of weights by name or id, or a list. Defaults to None, all 1.
        loss: str, see `keras_seg.losses.named`. Defaults to
            `"cross_entropy"`.
        optimizer: str, `"adamw"`, or `"sgd"` with a momentum of 0.9, which
            takes larger rates. Defaults to `"adamw"`.
        ema: float, the momentum of a moving average of the weights, which
            `keras.callbacks.SwapEMAWeights` puts in their place. Defaults to
            None, no average.
        accumulation: int, batches in an update. Defaults to 1.
        repeat: int, how often an epoch goes through the images, see
            `keras_seg.data.Batches`. Defaults to 1.

    Returns:
        Dictionary of arguments of `model.compile`.

    Raises:
        ValueError: If the number of classes is not known, or which layers
            came from the backbone; for a `backbone` or a `backbone_rate` of
            a model that is not given or has no backbone.

    Example:

    >>> from keras_seg.data import synthetic
    >>> from keras_seg.training import recipes
    >>> images, masks = synthetic.membranes(4, size=32)
    >>> pairs = list(zip(images, masks))
    >>> found = recipes.finetune(
    ...     pairs, classes=2, batch_size=2, class_weights="median_frequency")
    >>> sorted(found), found["optimizer"]._learning_rate.steps
    (['loss', 'metrics', 'optimizer'], 40)
    """
    table: Any = getattr(data, "class_table", None)
    if classes is None and table is None:
        raise ValueError(
            "`classes` must be the number of classes where the data has no "
            "class table of its own. Received: classes=None"
        )
    if classes is None:
        classes = len(table)
    if class_weights is not None:
        class_weights = weights_by_rule(
            class_statistics(data, table or classes),
            class_weights,
            names=table.names if table else None,
        )
        if len(class_weights) == 1:
            # Of the pixels with the label and of those without it.
            class_weights *= 2
    check_one_of(OPTIMIZERS, optimizer=optimizer)
    from_logits = model is None or gives_logits(model) is not False
    form: dict[str, Any] = {"from_logits": from_logits}
    if model is not None:
        form |= metric_form(model)
    else:
        form["multi_label"] = bool(getattr(data, "multi_label", False))
        form["num_classes"] = max(classes, 1 if form["multi_label"] else 2)
    batches = epochs * -(-len(data) * repeat // batch_size)
    updates = max(1, batches // accumulation)
    options: dict[str, Any] = {
        "learning_rate": Poly(
            learning_rate, updates, accumulation=accumulation
        ),
        "weight_decay": weight_decay,
        "multipliers": _slowed(model, backbone, backbone_rate),
    }
    if ema is not None:
        options.update(use_ema=True, ema_momentum=ema)
    if accumulation > 1:
        options.update(gradient_accumulation_steps=accumulation)
    return {
        "optimizer": OPTIMIZERS[optimizer](**options),
        "loss": named(
            loss,
            ignore_class=VOID,
            class_weights=class_weights,
            from_logits=from_logits,
        ),
        "metrics": [
            kind(**form, ignore_class=VOID) for kind in (MeanIoU, PixelAccuracy)
        ],
    }


def _slowed(
    model: keras.Model | None, backbone: keras.Model | None, factor: float
) -> dict[str, float]:
    """Returns the multipliers of the trained weights of the backbone."""
    found = []
    if model is not None and (factor != 1 or backbone is not None):
        found = _backbone_of(model, backbone)
    if not found and (backbone is not None or factor not in (0.1, 1)):
        raise ValueError(
            "`backbone` and `backbone_rate` are those of a `model` that has "
            f"layers of a backbone. Received: model={model!r}, "
            f"backbone={backbone!r}, backbone_rate={factor}"
        )
    if factor == 1:
        return {}
    slow = {x.path.split("/")[0] for y in found for x in y.trainable_weights}
    names = "|".join(map(re.escape, sorted(slow)))
    return {f"^({names})/": factor} if names else {}


def _backbone_of(
    model: keras.Model, backbone: keras.Model | None
) -> list[keras.Layer]:
    try:
        return backbone_layers(model, backbone)
    except ValueError as error:
        raise ValueError(
            f"{error} Or give backbone_rate=1: all weights then learn at one "
            "rate."
        ) from error
