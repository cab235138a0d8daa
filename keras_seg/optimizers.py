"""Optimizers whose learning rate differs from weight to weight."""

import re
import warnings
from typing import Any

import keras

from keras_seg.keras_private import variable_index

__all__ = ["AdamW", "CaffeSGD"]


class _Multipliers(keras.optimizers.Optimizer):
    """Mixin before a Keras optimizer: a factor of the rate for some weights.

    `keras.optimizers.MultiOptimizer` needs an optimizer for each factor; it
    then has no `learning_rate` to read or set, and counts batches as updates
    when gradients are accumulated.
    """

    def __init__(
        self, *args, multipliers: dict[str, float] | None = None, **kwargs
    ):
        super().__init__(*args, **kwargs)
        self.multipliers = dict(multipliers or {})
        for value in self.multipliers.values():
            number = isinstance(value, int | float)
            if not number or isinstance(value, bool) or not value >= 0:
                raise ValueError(
                    "`multipliers` must be numbers of at least 0. "
                    f"Received: multipliers={multipliers!r}"
                )

    def multiplier(self, path: str) -> float:
        """Returns the factor of the weight of that path."""
        for pattern, value in self.multipliers.items():
            if re.search(pattern, path):
                return value
        return 1.0

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        paths = [variable.path for variable in variables]
        for pattern in self.multipliers:
            if not any(re.search(pattern, path) for path in paths):
                warnings.warn(
                    f"The multiplier of {pattern!r} is that of no weight: "
                    "none of those that are trained has such a path. "
                    f"There are {', '.join(paths[:3])}, …",
                    stacklevel=2,
                )
        self._factors = tuple(map(self.multiplier, paths))

    def update_step(
        self, gradient: Any, variable: keras.Variable, learning_rate: Any
    ) -> None:
        factor = self._factors[variable_index(self, variable)]
        super().update_step(gradient, variable, learning_rate * factor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "multipliers": self.multipliers}


@keras.saving.register_keras_serializable(package="keras_seg")
class AdamW(_Multipliers, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` with a factor of the rate for some weights.

    Weights decay at the rate without its factor.

    Args:
        *args: of `keras.optimizers.AdamW`.
        multipliers: dict from regular expressions to factors. A weight gets
            the factor of the first one found in its path, or 1. Defaults to
            none.
        **kwargs: of `keras.optimizers.AdamW`.

    Raises:
        ValueError: If a factor is not a number of at least 0.

    Example:

    >>> from keras_seg.optimizers import AdamW
    >>> optimizer = AdamW(1e-3, multipliers={"^block1_": 0.1})
    >>> optimizer.multiplier("block1_conv/kernel"), optimizer.multiplier("up")
    (0.1, 1.0)
    """


@keras.saving.register_keras_serializable(package="keras_seg")
class CaffeSGD(_Multipliers, keras.optimizers.SGD):
    """SGD with momentum, and a factor of the rate for some weights.

    With the momentum μ, the rate λ of this update and the factor m of a weight
    w, Caffe's rule is

        V ← μ · V + λ · m · gradient
        w ← w - V

    where the gradient includes the weight decay, see `add_weight_decay`. The
    factors are Caffe's `lr_mult`.

    Args:
        learning_rate: float or a schedule, such as `keras_seg.schedules.Poly`.
            Defaults to 0.01.
        momentum: float. Defaults to 0.9.
        multipliers: dict from regular expressions to factors. A weight gets
            the factor of the first one found in its path (`"fc8/kernel"`), or
            1. Defaults to none.
        **kwargs: of `keras.optimizers.SGD`. `gradient_accumulation_steps` is
            Caffe's `iter_size`: an update takes the mean of so many batches.

    Raises:
        ValueError: If a factor is not a number of at least 0.

    Example:

    >>> from keras_seg.optimizers import CaffeSGD
    >>> optimizer = CaffeSGD(
    ...     0.001, multipliers={"^fc8/kernel": 10.0, "bias$": 2.0})
    >>> optimizer.multiplier("fc8/kernel"), optimizer.multiplier("fc7/bias")
    (10.0, 2.0)
    """

    def __init__(
        self,
        learning_rate: float
        | keras.optimizers.schedules.LearningRateSchedule = 0.01,
        momentum: float = 0.9,
        multipliers: dict[str, float] | None = None,
        **kwargs,
    ):
        super().__init__(
            learning_rate, momentum, multipliers=multipliers, **kwargs
        )
