"""A curve that makes probabilities those that they claim to be."""

import dataclasses

import numpy as np

from keras_seg.data import VOID

__all__ = ["Calibration"]

_CHUNK = 2**20  # pixels
_TOLERANCE = 1e-9


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A monotone cubic polynomial of a probability.

        p → a + b·p + c·p² + d·p³

    A network trained on as many pixels of every class finds rare ones too
    often. Ciresan et al. fit such a polynomial on the training volume, from
    the probability of a membrane to how often there is one. Pixels keep their
    order, so the best of all thresholds gives what it gave before; but .5
    comes to mean one half. Reference:

    - [Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy
      Images](https://papers.nips.cc/paper/4741) (NIPS 2012)

    Args:
        coefficients: sequence of the numbers a, b, c and d, which are all
            that there is to save. On 0 … 1 the polynomial must not fall, nor
            leave 0 … 1.

    Raises:
        ValueError: for others.

    Example:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> share = rng.random(100_000)
    >>> truth = rng.random(100_000) < share
    >>> balanced = 3 * share / (3 * share + 1 - share)
    >>> calibration = Calibration.fit(balanced, truth)
    >>> calibration(np.array([0.0, 0.5, 0.75, 1.0])).round(2).tolist()
    [0.0, 0.24, 0.51, 0.98]
    >>> Calibration(calibration.coefficients) == calibration
    True
    """

    coefficients: tuple[float, ...]

    def __post_init__(self):
        numbers = tuple(float(number) for number in self.coefficients)
        object.__setattr__(self, "coefficients", numbers)
        if len(numbers) != 4 or not _is_monotone(numbers):
            raise ValueError(
                "`coefficients` must be the four of a cubic polynomial, "
                "constant first, that does not fall on 0 … 1 nor leave it. "
                f"Received: coefficients={numbers}"
            )

    @classmethod
    def fit(cls, probabilities, truth, *, ignore_class=VOID):
        """Fits the least squares of all polynomials that are monotone.

        Their slope is a parabola that is nowhere negative on 0 … 1: a sum of
        squares `(p - m)²` and of `p·(1 - p)`, with weights that are not
        negative. These are found for m = 0, .01, … 1.

        Args:
            probabilities: array of any shape, in 0 … 1, of one class.
            truth: array of the same shape: 1 or True where it is that class,
                0 where it is another. Fit on data the network was trained
                on, as the paper did, or better on others; not on those it is
                tested on.
            ignore_class: int, what is void in the truth, or None. Defaults
                to 255.

        Returns:
            `Calibration`.

        Raises:
            ImportError: if SciPy is missing.
            ValueError: for arrays that can't be, or a truth of one value.
        """
        nnls = _nnls()
        p, y = _known(probabilities, truth, ignore_class)
        gram, moments = np.zeros((4, 4)), np.zeros(4)
        for start in range(0, p.size, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            powers = np.vander(p[chunk].astype("float64"), 4, increasing=True)
            gram += powers.T @ powers / p.size
            moments += powers.T @ y[chunk] / p.size
        # |Vc - y|² over all pixels is |Rc - t|² over four numbers.
        values, vectors = np.linalg.eigh(gram)
        kept = values > 1e-14 * values.max()
        root = np.sqrt(values[kept])
        r = root[:, None] * vectors.T[kept]
        t = vectors.T[kept] @ moments / root
        # Each curve rises from 0 to 1, or is 0 or 1, so what a mean of them
        # gives is in 0 … 1. That the weights sum to 1 weighs the most.
        curves = _curves()
        weights, _ = nnls(
            np.vstack([r @ curves.T, np.full(len(curves), 1e4)]),
            np.append(t, 1e4),
        )
        return cls(tuple(weights / weights.sum() @ curves))

    def __call__(self, probabilities):
        """Calibrates probabilities.

        Args:
            probabilities: array of any shape, in 0 … 1.

        Returns:
            Array of that shape, in 0 … 1; of its dtype, or float64 if it has
            integers.

        Raises:
            ValueError: for numbers outside of 0 … 1.
        """
        p = _checked(probabilities)
        result = np.zeros(p.shape)
        for number in reversed(self.coefficients):
            result = result * p + number
        return np.clip(result, 0, 1).astype(p.dtype)


def _is_monotone(numbers):
    """Whether a cubic does not fall on 0 … 1, and stays there."""
    a, b, c, d = numbers
    if not np.isfinite(numbers).all():
        return False
    turn = -c / (3 * d) if d else 0.0
    slopes = [
        b + 2 * c * p + 3 * d * p**2 for p in (0, 1, min(max(turn, 0), 1))
    ]
    ends = (a, a + b + c + d)
    return (
        min(slopes) >= -_TOLERANCE
        and ends[0] >= -_TOLERANCE
        and ends[1] <= 1 + _TOLERANCE
    )


def _curves():
    """The coefficients of 0, of 1, and of cubics that rise from 0 to 1."""
    middle = np.linspace(0, 1, 101)
    squares = np.stack(
        [0 * middle, middle**2, -middle, np.full(101, 1 / 3)], axis=1
    )
    product = [0, 0, 1 / 2, -1 / 3]
    rising = np.vstack([squares, product])
    rising /= rising.sum(axis=1, keepdims=True)
    return np.vstack([np.zeros(4), [1, 0, 0, 0], rising])


def _checked(probabilities):
    p = np.asarray(probabilities)
    if p.dtype.kind != "f":
        p = p.astype("float64")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(
            "`probabilities` must be in 0 … 1. Received: numbers from "
            f"{p.min()} to {p.max()}"
        )
    return p


def _known(probabilities, truth, ignore_class):
    """The probabilities and the truth of pixels that are not void, flat."""
    p, y = _checked(probabilities), np.asarray(truth)
    if p.shape != y.shape:
        raise ValueError(
            "`probabilities` and `truth` must have one shape. "
            f"Received: {p.shape} and {y.shape}"
        )
    if ignore_class is not None:
        known = y != ignore_class
        p, y = p[known], y[known]
    found = np.unique(y)
    if not np.array_equal(found, [0, 1]):
        raise ValueError(
            "`truth` must have both 0 and 1, and void: "
            f"ignore_class={ignore_class}. Received: the values "
            f"{found[:10].tolist()}"
        )
    return p.ravel(), y.ravel()


def _nnls():
    try:
        from scipy.optimize import nnls
    except ImportError as error:
        raise ImportError(
            "`Calibration.fit` needs SciPy. Fix: "
            "pip install 'keras-seg[classical]'"
        ) from error
    return nnls
