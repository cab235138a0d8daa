"""How the regions of two label maps overlap."""

from typing import NamedTuple

import numpy as np

__all__ = ["Overlap", "count_overlaps", "restrict"]


class Overlap(NamedTuple):
    """The counts `n[i, j]` of the pairs of regions that overlap.

    Counts are float64, so that their squares do not overflow.

    Attributes:
        pairs: array `(pairs,)`, `n[i, j]`, none of them 0.
        truth: array `(true regions,)`, their sizes, `n[i, .]`.
        found: array `(found regions,)`, their sizes, `n[., j]`.
        truth_of_pair: array `(pairs,)`, `n[i, .]` of each pair.
        found_of_pair: array `(pairs,)`, `n[., j]` of each pair.
    """

    pairs: np.ndarray
    truth: np.ndarray
    found: np.ndarray
    truth_of_pair: np.ndarray
    found_of_pair: np.ndarray


def count_overlaps(truth, found):
    """Counts the pixels of each pair of labels, 0 like any other.

    Args:
        truth: int64 array of labels of at least 0.
        found: int64 array of that shape.

    Returns:
        `Overlap`.

    Example:

    >>> import numpy as np
    >>> table = count_overlaps(np.array([1, 1, 2]), np.array([0, 5, 5]))
    >>> table.pairs, table.found, table.found_of_pair
    (array([1., 1., 1.]), array([1., 2.]), array([1., 2., 2.]))
    """
    width = found.max(initial=0) + 1
    labels, pairs = np.unique(truth * width + found, return_counts=True)
    pairs = pairs.astype(np.float64)
    sizes, of_pair = [], []
    for side in np.divmod(labels, width):
        _, index = np.unique(side, return_inverse=True)
        sizes.append(np.bincount(index, pairs))
        of_pair.append(sizes[-1][index])
    return Overlap(pairs, *sizes, *of_pair)


def restrict(truth, found):
    """Restricts two label maps to the true foreground.

    There, every pixel that is found to be membrane is a region of its own.

    Args:
        truth: int64 array of labels, 0 for membrane.
        found: int64 array of that shape.

    Returns:
        Tuple of two int64 arrays `(pixels of the true foreground,)`.

    Example:

    >>> import numpy as np
    >>> restrict(np.array([0, 1, 1, 1]), np.array([3, 3, 0, 0]))
    (array([1, 1, 1]), array([3, 4, 5]))
    """
    foreground = truth != 0
    truth, found = truth[foreground], found[foreground]
    alone = found == 0
    found[alone] = found.max(initial=0) + 1 + np.arange(alone.sum())
    return truth, found
