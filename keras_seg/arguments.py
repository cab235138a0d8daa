"""Checks of numbers that a user gives."""

import numpy as np

__all__ = ["check_not_negative", "check_positive"]

_NUMBER = int | float | np.integer | np.floating


def check_positive(**arguments):
    """Refuse what is not an int of 1 or more.

    Example:

    >>> check_positive(batch_size=0)
    Traceback (most recent call last):
    ValueError: `batch_size` must be an int of 1 or more. Received: batch_size=0
    """
    for name, value in arguments.items():
        if not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(
                f"`{name}` must be an int of 1 or more. "
                f"Received: {name}={value}"
            )


def check_not_negative(**arguments):
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
