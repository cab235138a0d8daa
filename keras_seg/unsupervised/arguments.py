"""The seeds that scikit-learn takes."""

import numpy as np

__all__ = ["check_seed"]


def check_seed(seed):
    """Refuse what scikit-learn cannot start from."""
    whole = isinstance(seed, int | np.integer)
    if seed is not None and not (whole and 0 <= seed < 2**32):
        raise ValueError(
            "`seed` must be an int in 0...2**32 - 1, or None. "
            f"Received: seed={seed!r}"
        )
