"""Several losses added, each with a weight."""

import keras
from keras import ops

__all__ = ["Sum", "check_weights"]


@keras.saving.register_keras_serializable(package="keras_seg")
class Sum(keras.losses.Loss):
    """A weighted sum of losses of the same masks and logits.

    Args:
        losses: list of `keras.losses.Loss`.
        weights: list of floats, one a loss. Defaults to None, all 1.
        name: str.

    Call arguments:
        y_true, y_pred, sample_weight: those of each of the losses.

    Example:

    >>> from keras_seg.losses import CrossEntropy
    >>> from keras_seg.losses import Dice
    >>> loss = Sum([CrossEntropy(), Dice()], weights=[1.0, 0.5])
    """

    def __init__(self, losses, weights=None, name="sum"):
        super().__init__(name=name, dtype="float32")
        self.losses = [keras.losses.get(loss) for loss in losses]
        self.weights = check_weights(weights, len(self.losses))

    def __call__(self, y_true, y_pred, sample_weight=None):
        return sum(
            weight * ops.cast(loss(y_true, y_pred, sample_weight), self.dtype)
            for loss, weight in zip(self.losses, self.weights, strict=True)
        )

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "losses": [serialize(loss) for loss in self.losses],
            "weights": self.weights,
        }

    @classmethod
    def from_config(cls, config):
        deserialize = keras.saving.deserialize_keras_object
        losses = [deserialize(loss) for loss in config["losses"]]
        return cls(**{**config, "losses": losses})


def check_weights(weights, number):
    """Returns the weights of a number of losses as floats."""
    if weights is None:
        return [1.0] * number
    if number == 0 or len(weights) != number:
        raise ValueError(
            f"`weights` must be numbers, one for each of the {number} losses. "
            f"Received: {weights=}"
        )
    return [float(weight) for weight in weights]
