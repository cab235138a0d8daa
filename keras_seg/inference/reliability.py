"""Whether probabilities are right: calibration error and temperature."""

import dataclasses
from typing import Any
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.layers.metadata import facts_of
from keras_seg.layers.metadata import note

__all__ = ["Reliability", "fit_temperature", "set_temperature"]

BINS = 15
# Temperatures that are looked at, from the lowest to the highest.
LOWEST, HIGHEST = 0.05, 20.0


@dataclasses.dataclass(frozen=True, eq=False)
class Reliability:
    """How often a network is right, against how sure it is.

    The largest probabilities of pixels fall into 15 bins of one width. The
    expected calibration error is the mean over the pixels of
    `|accuracy - confidence|` of their bin. The temperature `T` that makes
    `softmax(logits / T)` most likely mends it, and changes no class.
    Reference:

    - [On Calibration of Modern Neural Networks](
      https://arxiv.org/abs/1706.04599)

    Args:
        pixels: int64 array `(15,)`, the number of pixels in each bin.
        confidence: float64 array `(15,)`, their mean largest probability, NaN
            without pixels.
        accuracy: float64 array `(15,)`, the share that is right.
        temperature: float, by `fit_temperature` on the same pixels.
        error_after: float, the expected calibration error with it.

    Example:

    >>> import numpy as np
    >>> from keras_seg.inference.reliability import Reliability
    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(0, 2, (100_000, 3))
    >>> noise = rng.gumbel(size=logits.shape)
    >>> truth = (logits + noise).argmax(axis=-1)  # drawn by their softmax
    >>> found = Reliability.of(3 * logits, truth)
    >>> round(found.temperature, 1), found.error > 0.1 > found.error_after
    (3.0, True)
    """

    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    temperature: float
    error_after: float

    @classmethod
    def of(
        cls, logits: ArrayLike, truth: ArrayLike, temperature: float = 1.0
    ) -> Self:
        """Compares predictions with their truth.

        Args:
            logits: array `(pixels, classes)`.
            truth: integer array `(pixels,)`, without void.
            temperature: float, by which the network divides its logits now.
                Defaults to 1.

        Raises:
            ValueError: If the shapes do not belong together, or there is no
                pixel.
        """
        logits, truth = _checked(logits, truth)
        best = fit_temperature(logits, truth)
        pixels, confidence, accuracy = _bins(logits / temperature, truth)
        after = cls(*_bins(logits / best, truth), best, 0.0).error
        return cls(pixels, confidence, accuracy, best, after)

    @property
    def error(self) -> float:
        """The expected calibration error."""
        gap = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float(gap @ self.pixels / self.pixels.sum())

    def rows(self) -> list[dict[str, Any]]:
        """The bins: dictionaries `{"from", "to", "pixels", "confidence",
        "accuracy"}`."""
        edges = np.linspace(0, 1, BINS + 1).round(4).tolist()
        columns = (
            *(edges[:-1], edges[1:], self.pixels.tolist()),
            *(self.confidence.tolist(), self.accuracy.tolist()),
        )
        names = "from", "to", "pixels", "confidence", "accuracy"
        return [
            dict(zip(names, row, strict=True))
            for row in zip(*columns, strict=True)
        ]


def fit_temperature(logits: ArrayLike, truth: ArrayLike) -> float:
    """Minimizes the cross-entropy of `softmax(logits / T)`.

    It is convex in `1 / T`, so that its derivative
    `sum_c p_c z_c - z_truth` is searched for its zero.

    Args:
        logits: array `(pixels, classes)`, of pixels that were not trained on.
        truth: integer array `(pixels,)`, without void.

    Returns:
        float from 0.05 to 20: one of these ends where the truth is always, or
        no more often than by chance, the largest.

    Raises:
        ValueError: As `Reliability.of`.
    """
    z, truth = _checked(logits, truth)
    low, high = np.log(LOWEST), np.log(HIGHEST)
    wanted = z[np.arange(len(z)), truth].mean(dtype="float64")
    for _ in range(20):
        middle = (low + high) / 2
        p = _softmax(z / np.exp(middle))
        if (p * z).sum(axis=-1).mean(dtype="float64") > wanted:
            low = middle  # Too sure.
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def set_temperature(model: Any, temperature: float) -> None:
    """Sets the temperature that a model's logits are divided by.

    Probabilities of `predict`, of saved and of exported files follow it;
    classes do not change, nor do thresholds, which are compared before.

    Args:
        model: `keras.Model` of `keras_seg.applications`.
        temperature: float above 0; 1 leaves the probabilities as they are.

    Raises:
        ValueError: If it is not above 0, or the model cannot carry it.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(
            "`temperature` must be above 0. "
            f"Received: temperature={temperature}"
        )
    if facts_of(model) is None:
        raise ValueError(
            "`model` must be able to carry its temperature. Fix: begin it "
            "with keras_seg.layers.metadata.Metadata()."
        )
    note(model, temperature=float(temperature))


def _checked(logits: ArrayLike, truth: ArrayLike) -> tuple[NDArray, NDArray]:
    z, y = np.asarray(logits, "float32"), np.asarray(truth)
    if z.ndim != 2 or y.shape != z.shape[:1] or not len(y):
        raise ValueError(
            "`logits` must be (pixels, classes) and `truth` (pixels,), of at "
            f"least one pixel. Received: {z.shape} and {y.shape}"
        )
    return z - z.max(axis=-1, keepdims=True), y.astype("int64")


def _bins(z: NDArray, truth: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    p = _softmax(z).max(axis=-1)
    place = np.minimum((p * BINS).astype("int64"), BINS - 1)
    right = z.argmax(axis=-1) == truth
    pixels, sure, true = (
        np.bincount(place, weights, BINS) for weights in (None, p, right)
    )
    with np.errstate(invalid="ignore"):
        return pixels, sure / pixels, true / pixels


def _softmax(z: NDArray) -> NDArray:
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)
