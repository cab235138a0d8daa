"""Checks of the arguments of transforms."""

import numpy as np

__all__ = ["check_probability", "size_of"]

_NUMBER = int | float | np.integer | np.floating


def size_of(name, value):
    """A tuple (height, width) from an int or two.

    Args:
        name: str, the argument.
        value: int, or sequence (height, width).

    Returns:
        Tuple of two ints.
    """
    sides = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(sides) != 2:
        raise ValueError(
            f"`{name}` must be an int or (height, width). "
            f"Received: {name}={value}"
        )
    for side in sides:
        if not isinstance(side, int | np.integer) or side < 1:
            raise ValueError(
                f"`{name}` must be an int of 1 or more. Received: {name}={side}"
            )
    return int(sides[0]), int(sides[1])


def check_probability(**arguments):
    """Refuse what is not a number of 0..1."""
    for name, value in arguments.items():
        if not isinstance(value, _NUMBER) or not 0 <= value <= 1:
            raise ValueError(
                f"`{name}` must be a number of 0..1. Received: {name}={value}"
            )
