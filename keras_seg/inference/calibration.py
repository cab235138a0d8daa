"""Calibration of probabilities by Platt scaling."""

import dataclasses
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.data import VOID
from keras_seg.lazy import optional

__all__ = ["Calibration"]

# What 0 and 1 are taken for: their logits are infinite.
_EPSILON = 1e-7


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Platt scaling of the probability of one class.

    ```
    p → sigmoid(slope · logit(p) + intercept)
    ```

    A network trained on equally many pixels of each class predicts rare
    classes too often: its odds are too large by a constant factor, which the
    intercept removes. The map is monotone, so the best of all thresholds
    gives the same mask as before, but 0.5 means one half again. Reference:

    - [Predicting Good Probabilities With Supervised Learning](
      https://doi.org/10.1145/1102351.1102430)

    Args:
        slope: float, at least 0.
        intercept: float.

    Raises:
        ValueError: If `slope` is negative, or one of them is not finite.

    Example:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> share = rng.random(100_000)
    >>> truth = rng.random(100_000) < share
    >>> balanced = 3 * share / (3 * share + 1 - share)
    >>> calibration = Calibration.fit(balanced, truth)
    >>> calibration(np.array([0.0, 0.5, 0.75, 1.0])).round(2).tolist()
    [0.0, 0.25, 0.5, 1.0]
    >>> Calibration(calibration.slope, calibration.intercept) == calibration
    True
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        finite = np.isfinite([self.slope, self.intercept]).all()
        if not finite or self.slope < 0:
            raise ValueError(
                "`slope` must be at least 0, and it and `intercept` finite. "
                f"Received: slope={self.slope}, intercept={self.intercept}"
            )

    @classmethod
    def fit(
        cls,
        probabilities: ArrayLike,
        truth: ArrayLike,
        *,
        ignore_class: int | None = VOID,
    ) -> Self:
        """Minimizes the cross-entropy of the calibrated probabilities.

        Args:
            probabilities: array of any shape, in 0...1, of one class.
            truth: array of that shape: 1 or True where it is that class, 0
                where it is another. Pixels held out from training are better
                than those trained on. Never those of the test.
            ignore_class: int, the id of void in the truth, or None.

        Returns:
            `Calibration`. Its slope is 0 where probabilities do not rise with
            the truth.

        Raises:
            ImportError: If SciPy is missing.
            ValueError: If shapes differ, a probability is outside 0...1, or
                the truth has other values, or only one.
        """
        optimize = optional("scipy.optimize", "classical", "`Calibration.fit`")
        p, y = _checked(probabilities), np.asarray(truth)
        if p.shape != y.shape:
            raise ValueError(
                "`probabilities` and `truth` must have one shape. "
                f"Received: {p.shape} and {y.shape}"
            )
        if ignore_class is not None:
            known = y != ignore_class
            p, y = p[known], y[known]
        values = np.unique(y)
        if not np.array_equal(values, [0, 1]):
            raise ValueError(
                "`truth` must have both 0 and 1, and void: "
                f"ignore_class={ignore_class}. Received: the values "
                f"{values[:10].tolist()}"
            )
        logits = _logit(p)

        def cross_entropy(parameters: NDArray) -> tuple[float, list[float]]:
            slope, intercept = parameters
            z = slope * logits + intercept
            wrong = _sigmoid(z) - y
            loss = np.mean(np.logaddexp(0, z) - y * z)
            return loss, [np.mean(wrong * logits), np.mean(wrong)]

        # Where a threshold separates the two, no slope is large enough.
        best = optimize.minimize(
            cross_entropy,
            [1.0, 0.0],
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, 100), (None, None)],
            options={"ftol": 1e-14, "gtol": 1e-9},
        )
        return cls(*best.x.tolist())

    def __call__(self, probabilities: ArrayLike) -> NDArray:
        """Calibrates probabilities.

        Args:
            probabilities: array of any shape, in 0...1.

        Returns:
            Array of that shape, in 0...1; of its dtype, or float64 if it has
            integers.

        Raises:
            ValueError: If a probability is outside 0...1.
        """
        p = _checked(probabilities)
        z = self.slope * _logit(p) + self.intercept
        return _sigmoid(z).astype(p.dtype)


def _logit(p: NDArray) -> NDArray:
    p = np.clip(p.astype("float64"), _EPSILON, 1 - _EPSILON)
    return np.log(p / (1 - p))


def _sigmoid(z: NDArray) -> NDArray:
    return (1 + np.tanh(z / 2)) / 2


def _checked(probabilities: ArrayLike) -> NDArray:
    p = np.asarray(probabilities)
    if p.dtype.kind != "f":
        p = p.astype("float64")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(
            "`probabilities` must be in 0 … 1. Received: numbers from "
            f"{p.min()} to {p.max()}"
        )
    return p
