"""Checks of the arguments of k-means."""

import numpy as np

__all__ = ["check_not_negative", "check_seed", "check_whole"]

_NUMBER = int | float | np.integer | np.floating


def check_whole(**arguments):
    """Refuse what is not an int of 1 or more."""
    for name, value in arguments.items():
        if not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(
                f"`{name}` must be an int of 1 or more. "
                f"Received: {name}={value!r}"
            )


def check_not_negative(**arguments):
    """Refuse what is not a finite number of 0 or more."""
    for name, value in arguments.items():
        if not isinstance(value, _NUMBER) or not 0 <= value < np.inf:
            raise ValueError(
                f"`{name}` must be a number of 0 or more. "
                f"Received: {name}={value!r}"
            )


def check_seed(seed):
    """Refuse what scikit-learn cannot start from."""
    whole = isinstance(seed, int | np.integer)
    if seed is not None and not (whole and 0 <= seed < 2**32):
        raise ValueError(
            "`seed` must be an int in 0...2**32 - 1, or None. "
            f"Received: seed={seed!r}"
        )
