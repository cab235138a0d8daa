"""The two numbers by which the challenge ranks."""

from typing import NamedTuple

import numpy as np

from keras_seg.metrics.em.agreement import mean_over_slices
from keras_seg.metrics.em.agreement import v_info
from keras_seg.metrics.em.agreement import v_rand
from keras_seg.metrics.em.overlap import count_overlaps
from keras_seg.metrics.em.overlap import restrict
from keras_seg.metrics.em.regions import regions
from keras_seg.metrics.em.regions import thin
from keras_seg.metrics.em.slices import check_maps
from keras_seg.metrics.em.slices import check_thresholds

__all__ = ["LeaderBoard", "leader_board"]


class LeaderBoard(NamedTuple):
    """The scores of a result, in 0...1, more is better.

    Attributes:
        v_rand: float, V_Rand after thinning, which decides the rank.
        v_info: float, V_Info after thinning.
        v_rand_threshold: float, the first threshold that gives `v_rand`.
        v_info_threshold: float, the first that gives `v_info`.
    """

    v_rand: float
    v_info: float
    v_rand_threshold: float
    v_info_threshold: float


def leader_board(truth, probability, thresholds=None):
    """Computes V_Rand and V_Info after thinning, at their best thresholds.

    For each threshold and slice, the borders of the cells are thinned to one
    pixel, see `thin`, and compared with the cells of the truth, which is not
    thinned: see `foreground_rand` and `information`. The f-scores are
    averaged over the slices, and the largest mean is the score.

    Args:
        truth: array `(h, w)` or `(n, h, w)`, not zero where cell interior is.
            A mask: labels that touch, with no membrane between them, are one
            cell.
        probability: array of that shape, that of **cell interior**, in 0...1.
            Fix, for that of membrane: `1 - probability`.
        thresholds: floats in 0...1. Interior is what is above. Defaults to
            0, 0.1, ..., 0.9.

    Returns:
        `LeaderBoard`. Slices whose truth has no interior are left out; NaN
        if all are.

    Raises:
        ValueError: for other shapes, NaN, or values outside 0...1.
        ImportError: if SciPy or scikit-image is missing.

    Example: a membrane that is found, but faint

    >>> import numpy as np
    >>> from keras_seg.metrics import em
    >>> truth = np.array([[1, 1, 0, 1, 1]])
    >>> em.leader_board(truth, np.array([[0.9, 0.8, 0.6, 0.9, 0.9]]))
    LeaderBoard(v_rand=1.0, v_info=1.0, ...threshold=0.6, ...threshold=0.6)
    """
    truth, probability = check_maps(truth, probability)
    levels = check_thresholds(thresholds)
    scores = np.full((2, len(levels), len(truth)), np.nan)
    for index, (mask, chances) in enumerate(
        zip(truth, probability, strict=True)
    ):
        if not mask.any():
            continue
        cells = regions(mask).astype(np.int64)
        for row, level in enumerate(levels):
            found = thin(chances > level).astype(np.int64)
            table = count_overlaps(*restrict(cells, found))
            scores[:, row, index] = v_rand(table).f_score, v_info(table).f_score
    means = mean_over_slices(scores, axis=2)
    best = means.argmax(axis=1)
    rand, info = means.max(axis=1).tolist()
    return LeaderBoard(rand, info, levels[best[0]], levels[best[1]])
