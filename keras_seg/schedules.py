"""Learning rates that fall: the "poly" and "step" rules of the papers."""

from typing import Any

import keras
from keras import ops

from keras_seg.arguments import check_positive

__all__ = ["Poly", "Step"]


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Counts updates, given batches.

    With `gradient_accumulation_steps`, Keras passes a schedule the number of
    batches.
    """

    def __init__(self, learning_rate: float, accumulation: int):
        super().__init__()
        self.learning_rate = float(learning_rate)
        check_positive(accumulation=accumulation)
        self.accumulation = accumulation

    def updates(self, step: Any) -> Any:
        return ops.floor_divide(ops.cast(step, "int32"), self.accumulation)

    def get_config(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "accumulation": self.accumulation,
        }


@keras.saving.register_keras_serializable(package="keras_seg")
class Poly(_Schedule):
    """The "poly" rule: the rate falls to 0 at the last update.

    `learning_rate · (1 - t / steps) ** power` at update t, counted from 0, and
    0 from `t = steps` on, as DeepLab v2 and v3 are trained
    ([DeepLab](https://arxiv.org/abs/1606.00915)).

    `keras.optimizers.schedules.PolynomialDecay` gives the same rates up to
    `steps`. Past its end, compiled by XLA, it is NaN for many lengths (3, 10,
    1000, 30,000, …), because 1 - t / steps comes out a little below 0. One
    more call of `fit` then ruins the weights.

    Args:
        learning_rate: float, of the first update.
        steps: int, updates in the whole run.
        power: float. Defaults to 0.9.
        accumulation: int, batches in an update: the optimizer's
            `gradient_accumulation_steps`. Defaults to 1.

    Call arguments:
        step: int, batches seen before.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: If `steps` or `accumulation` is not an integer above 0.

    Example:

    >>> from keras_seg.schedules import Poly
    >>> rate = Poly(1.0, steps=20_000)
    >>> [round(float(rate(t)), 4) for t in (0, 10_000, 20_000, 30_000)]
    [1.0, 0.5359, 0.0, 0.0]
    """

    def __init__(
        self,
        learning_rate: float,
        steps: int,
        power: float = 0.9,
        accumulation: int = 1,
    ):
        super().__init__(learning_rate, accumulation)
        check_positive(steps=steps)
        self.steps = steps
        self.power = float(power)

    def __call__(self, step: Any) -> Any:
        # The difference of integers is exact: no root of a number below 0.
        left = ops.maximum(self.steps - self.updates(step), 0)
        share = ops.cast(left, "float32") / self.steps
        return self.learning_rate * ops.power(share, self.power)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "steps": self.steps,
            "power": self.power,
        }


@keras.saving.register_keras_serializable(package="keras_seg")
class Step(_Schedule):
    """The "step" rule: the rate is multiplied by a factor at fixed intervals.

    `learning_rate · factor ** floor(t / every)` at update t, counted from 0.
    Update `t = every` has the new rate already, as in Caffe;
    `keras.optimizers.schedules.PiecewiseConstantDecay` has the old one there.

    Args:
        learning_rate: float, of the first updates.
        every: int, updates of one rate.
        factor: float. Defaults to 0.1.
        accumulation: int, batches in an update: the optimizer's
            `gradient_accumulation_steps`. Defaults to 1.

    Call arguments:
        step: int, batches seen before.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: If `every` or `accumulation` is not an integer above 0.

    Example:

    >>> from keras_seg.schedules import Step
    >>> rate = Step(0.001, every=2000)
    >>> [f"{float(rate(t)):.0e}" for t in (0, 1999, 2000, 4000)]
    ['1e-03', '1e-03', '1e-04', '1e-05']
    """

    def __init__(
        self,
        learning_rate: float,
        every: int,
        factor: float = 0.1,
        accumulation: int = 1,
    ):
        super().__init__(learning_rate, accumulation)
        check_positive(every=every)
        self.every = every
        self.factor = float(factor)

    def __call__(self, step: Any) -> Any:
        falls = ops.floor_divide(self.updates(step), self.every)
        factor = ops.power(self.factor, ops.cast(falls, "float32"))
        return self.learning_rate * factor

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "every": self.every,
            "factor": self.factor,
        }
