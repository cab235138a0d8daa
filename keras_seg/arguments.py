"""Checks of numbers and choices that a user gives.

Each takes arguments by name and raises a `ValueError` that names the argument.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "check_finite",
    "check_heads",
    "check_integer",
    "check_not_negative",
    "check_one_of",
    "check_positive",
    "check_share",
    "fitted_size",
    "pair_of",
    "unmasked",
]

_NUMBER = int | float | np.integer | np.floating


def check_finite(image: NDArray) -> None:
    """Refuse an image of which a value is NaN or infinite.

    Scores made of it mean nothing, and not every backend says so: the loss of
    a U-Net on images of NaN alone is NaN on JAX, PyTorch and TensorFlow, but
    finite on TensorFlow with oneDNN.

    Example:

    >>> check_finite(np.array([0.0, np.inf]))
    Traceback (most recent call last):
    ValueError: An image must hold finite values. Fix: give pixels without \
data a value, and void in the mask. Received: values from 0.0 to inf
    """
    if image.dtype.kind != "f" or not image.size:
        return
    least, largest = image.min(), image.max()
    if not np.isfinite([least, largest]).all():
        raise ValueError(
            "An image must hold finite values. Fix: give pixels without data "
            f"a value, and void in the mask. Received: values from {least} to "
            f"{largest}"
        )


def check_integer(least: int, /, **arguments: Any) -> None:
    """Refuse what is not an int of `least` or more, such as a bool.

    Example:

    >>> check_integer(2, grid=1)
    Traceback (most recent call last):
    ValueError: `grid` must be an int of 2 or more. Received: grid=1
    """
    for name, value in arguments.items():
        is_int = isinstance(value, int | np.integer)
        if not is_int or isinstance(value, bool) or value < least:
            raise ValueError(
                f"`{name}` must be an int of {least} or more. "
                f"Received: {name}={value!r}"
            )


def check_heads(num_heads: int, channels: int) -> None:
    """Refuse a number of attention heads that channels can't be shared among.

    Example:

    >>> check_heads(3, channels=4)
    Traceback (most recent call last):
    ValueError: The channels must be a multiple of `num_heads`. Received: \
num_heads=3, channels=4
    """
    if channels % num_heads:
        raise ValueError(
            "The channels must be a multiple of `num_heads`. Received: "
            f"num_heads={num_heads}, channels={channels}"
        )


def check_positive(**arguments: Any) -> None:
    """Refuse what is not an int of 1 or more."""
    check_integer(1, **arguments)


def check_not_negative(**arguments: Any) -> None:
    """Refuse what is not a finite number of 0 or more.

    Example:

    >>> check_not_negative(sigma=float("inf"))
    Traceback (most recent call last):
    ValueError: `sigma` must be a number of 0 or more. Received: sigma=inf
    """
    for name, value in arguments.items():
        if not isinstance(value, _NUMBER) or not 0 <= value < np.inf:
            raise ValueError(
                f"`{name}` must be a number of 0 or more. "
                f"Received: {name}={value}"
            )


def check_share(**arguments: Any) -> None:
    """Refuse what is not a number of 0..1."""
    for name, value in arguments.items():
        if not isinstance(value, _NUMBER) or not 0 <= value <= 1:
            raise ValueError(
                f"`{name}` must be a number of 0..1. Received: {name}={value}"
            )


def check_one_of(allowed: Iterable, /, **arguments: Any) -> None:
    """Refuse what is not among a few values.

    Example:

    >>> check_one_of(("valid", "same"), padding="full")
    Traceback (most recent call last):
    ValueError: `padding` must be 'valid' or 'same'. Received: padding='full'
    """
    known = list(allowed)
    several = "one of " + ", ".join(map(repr, known))
    listed = " or ".join(map(repr, known)) if len(known) == 2 else several
    for name, value in arguments.items():
        if value not in known:
            raise ValueError(
                f"`{name}` must be {listed}. Received: {name}={value!r}"
            )


def pair_of(name: str, value: Any) -> tuple[int, int]:
    """`(height, width)` from an int of 1 or more, or two of them.

    Example:

    >>> pair_of("size", 4), pair_of("size", [4, 9])
    ((4, 4), (4, 9))
    """
    several = isinstance(value, list | tuple | np.ndarray)
    sides = tuple(value) if several else (value, value)
    if len(sides) != 2:
        raise ValueError(
            f"`{name}` must be an int or (height, width). "
            f"Received: {name}={value}"
        )
    for side in sides:
        check_positive(**{name: side})
    return int(sides[0]), int(sides[1])


def fitted_size(
    size: Sequence[Any], longest: int, maximum: Callable = max
) -> tuple[Any, Any]:
    """The size of an image that is shrunk to a longest side, if it is larger.

    Args:
        size: pair of ints, or of integer tensors, height and width.
        longest: int, the longest side.
        maximum: function of two of them, `keras.ops.maximum` for tensors.

    Example:

    >>> fitted_size((2700, 3600), 480), fitted_size((270, 360), 480)
    ((360, 480), (270, 360))
    """
    height, width = size
    most = maximum(maximum(height, width), longest)

    def shrunk(side):
        return maximum((2 * side * longest + most) // (2 * most), 1)

    return shrunk(height), shrunk(width)


def unmasked(array: Any) -> NDArray:
    """Returns a NumPy array; refuses one of which some values are masked.

    NumPy drops the mask without a word, and what is behind it, such as what
    rasterio reads with `masked=True` where there are no data, would count.

    Example:

    >>> unmasked(np.ma.masked_equal([0, 1], 0))
    Traceback (most recent call last):
    ValueError: An image or a mask must have all its values. Fix: fill those \
that are masked, and set void in the mask there. Received: 1 of 2 values masked
    """
    if np.ma.is_masked(array):
        raise ValueError(
            "An image or a mask must have all its values. Fix: fill those "
            "that are masked, and set void in the mask there. Received: "
            f"{np.ma.count_masked(array)} of {array.size} values masked"
        )
    return np.asarray(array)
