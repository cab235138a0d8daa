"""Several losses: added, or at several outputs."""

from collections.abc import Sequence
from typing import Any
from typing import Self

import keras
from keras import ops

__all__ = ["Sum", "deep_supervision"]


@keras.saving.register_keras_serializable(package="keras_seg")
class Sum(keras.losses.Loss):
    """A weighted sum of losses of the same masks and logits.

    Args:
        losses: list of `keras.losses.Loss`.
        weights: list of floats, one for each loss. Defaults to None, all 1.
        name: str.

    Call arguments:
        y_true, y_pred, sample_weight: passed to each of the losses.

    Example:

    >>> from keras_seg.losses import CrossEntropy
    >>> from keras_seg.losses import Dice
    >>> loss = Sum([CrossEntropy(), Dice()], weights=[1.0, 0.5])
    """

    def __init__(
        self,
        losses: Sequence[keras.losses.Loss],
        weights: Sequence[float] | None = None,
        name: str = "sum",
    ):
        super().__init__(name=name, dtype="float32")
        self.losses = [keras.losses.get(loss) for loss in losses]
        self.weights = _check_weights(weights, len(self.losses))

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        return sum(
            weight * ops.cast(loss(y_true, y_pred, sample_weight), self.dtype)
            for loss, weight in zip(self.losses, self.weights, strict=True)
        )

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "losses": [serialize(loss) for loss in self.losses],
            "weights": self.weights,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        deserialize = keras.saving.deserialize_keras_object
        losses = [deserialize(loss) for loss in config["losses"]]
        return cls(**{**config, "losses": losses})


def deep_supervision(
    model: keras.Model,
    loss: keras.losses.Loss | Sequence[keras.losses.Loss],
    weights: Sequence[float] | None = None,
    metrics: Sequence[keras.Metric] | None = None,
) -> dict[str, Any]:
    """Returns what `compile` takes to train every output with the same masks.

    ```
    model.compile("sgd", **deep_supervision(model, CrossEntropy(), [1, 0.4]))
    model.fit(images, [masks, masks])
    ```

    Keras needs the masks once for each output, in a list or tuple:
    `keras_seg.data.Batches(outputs=2)` gives them so, and `dataset.map(lambda
    image, mask: (image, (mask, mask)))` repeats them. Given one array, and as
    many images in a batch as the model has outputs, Keras 3.15 would take the
    mask of the first image for the first output.

    Metrics are those of the first output, which is the one that predicts.

    DeepLab v2's MSC has four losses. With `auxiliary="scales"` of
    `keras_seg.applications.DeepLabV2` at scales 1, 0.75 and 0.5 (the largest
    of the three comes first), each is taken on the authors' map:

    ```
    at_8 = CrossEntropy(stride=8)
    deep_supervision(model, [at_8, at_8, at_8, CrossEntropy(stride=16)])
    ```

    References:

    - [Pyramid Scene Parsing Network](https://arxiv.org/abs/1612.01105), whose
      auxiliary loss has a weight of 0.4
    - [DeepLab](https://arxiv.org/abs/1606.00915), whose four losses have
      equal weights

    Args:
        model: `keras.Model` with one output, or several in a list, the first
            of which predicts.
        loss: `keras.losses.Loss` for all outputs, or a list of one for each.
        weights: list of floats, one for each output. Defaults to None, all 1.
        metrics: list of metrics for the first output. Defaults to None.

    Returns:
        A dict with `"loss"` and `"loss_weights"`, and with `"metrics"` if
        there are any.

    Raises:
        ValueError: If there are not as many losses or weights as outputs.

    Example:

    >>> import keras
    >>> from keras_seg.losses import CrossEntropy
    >>> image = keras.Input((None, None, 3))
    >>> heads = [keras.layers.Conv2D(2, 1)(image) for _ in range(2)]
    >>> model = keras.Model(image, heads)
    >>> arguments = deep_supervision(model, CrossEntropy(), [1.0, 0.4])
    >>> len(arguments["loss"]), arguments["loss_weights"]
    (2, [1.0, 0.4])
    """
    outputs = model.outputs
    losses = loss if isinstance(loss, list | tuple) else [loss] * len(outputs)
    if len(losses) != len(outputs):
        raise ValueError(
            f"`loss` must be one loss, or a list of one for each of the "
            f"{len(outputs)} outputs. Received: {len(losses)} losses"
        )
    weights = _check_weights(weights, len(outputs))
    one = len(outputs) == 1
    arguments = {
        "loss": losses[0] if one else list(losses),
        "loss_weights": weights,
    }
    if metrics is not None:
        others: list = [[] for _ in outputs[1:]]
        arguments["metrics"] = metrics if one else [list(metrics), *others]
    return arguments


def _check_weights(weights: Sequence[float] | None, number: int) -> list[float]:
    """Returns the weights of a number of losses as floats."""
    if weights is None:
        return [1.0] * number
    if number == 0 or len(weights) != number:
        raise ValueError(
            f"`weights` must be numbers, one for each of the {number} losses. "
            f"Received: {weights=}"
        )
    return [float(weight) for weight in weights]
