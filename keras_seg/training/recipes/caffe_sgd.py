"""Stochastic gradient descent as Caffe does it."""

import keras

from keras_seg.training.recipes.multipliers import Multipliers

__all__ = ["CaffeSGD"]


@keras.saving.register_keras_serializable(package="keras_seg")
class CaffeSGD(Multipliers, keras.optimizers.SGD):
    """SGD with momentum, whose rate has a factor for some of the weights.

    With the momentum μ, the rate λ of this update and the factor m of a
    weight w, Caffe's rule is

        V ← μ · V + λ · m · gradient
        w ← w - V

    where the gradient has the weight decay in it: `add_weight_decay`. The
    factors are Caffe's `lr_mult`; those of biases, of new scores and of the
    rest differ in the papers' networks.

    Args:
        learning_rate: float or a schedule, such as `keras_seg.schedules.Poly`.
            Defaults to 0.01.
        momentum: float. Defaults to 0.9.
        multipliers: dict from regular expressions to factors. The first that
            is found in the path of a weight (`"fc8/kernel"`) counts; others
            have 1. Defaults to none.
        **kwargs: of `keras.optimizers.SGD`. `gradient_accumulation_steps` is
            Caffe's `iter_size`: the mean of so many batches makes an update.

    Raises:
        ValueError: if a factor is not a number of at least 0.

    Example:

    >>> import keras
    >>> from keras_seg.training.recipes import CaffeSGD
    >>> optimizer = CaffeSGD(
    ...     0.001, multipliers={"^fc8/kernel": 10.0, "bias$": 2.0})
    >>> optimizer.multiplier("fc8/kernel"), optimizer.multiplier("fc7/bias")
    (10.0, 2.0)
    """

    def __init__(
        self, learning_rate=0.01, momentum=0.9, multipliers=None, **kwargs
    ):
        super().__init__(
            learning_rate, momentum, multipliers=multipliers, **kwargs
        )
