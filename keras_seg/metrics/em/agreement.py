"""V_Rand and V_Info: do two label maps cut an image into the same cells?"""

from typing import NamedTuple

import numpy as np

from keras_seg.metrics.em.overlap import Overlap
from keras_seg.metrics.em.overlap import count_overlaps
from keras_seg.metrics.em.overlap import restrict
from keras_seg.metrics.em.slices import check_labels

__all__ = [
    "Agreement",
    "foreground_rand",
    "information",
    "mean_over_slices",
    "v_info",
    "v_rand",
]


class Agreement(NamedTuple):
    """How well a segmentation agrees with the truth, in 0...1.

    Attributes:
        precision: float, 1 if no two true cells were merged.
        recall: float, 1 if no true cell was split.
        f_score: float, the harmonic mean of both.
    """

    precision: float
    recall: float
    f_score: float


NOTHING = Agreement(np.nan, np.nan, np.nan)


def foreground_rand(truth, segmentation):
    """Computes V_Rand, the Rand score restricted to the true foreground.

    Of the pairs of pixels that are in one cell of the segmentation, precision
    is the share of those that are in one true cell; recall is the same the
    other way round. V_Rand, by which the leader board ranks, is the
    `f_score`, after `thin`.

    With `p[i, j]` the share of the foreground that is in true cell `i` and in
    region `j`, 0 for membrane, each pixel of which is a region of its own
    among the `n` pixels of the foreground:

    ```
    A  = sum_i (sum_j p[i, j])²
    B  = sum_{j > 0} (sum_i p[i, j])²  +  sum_i p[i, 0] / n
    AB = sum_{i, j > 0} p[i, j]²       +  sum_i p[i, 0] / n
    precision = AB / B,  recall = AB / A
    ```

    `skimage.metrics.adapted_rand_error` is close to 1 - V_Rand where the
    segmentation has no 0, which it takes for one region. It leaves out the
    pairs of a pixel with itself, and gives recall before precision.
    Reference:

    - [Crowdsourcing the creation of image segmentation algorithms for
      connectomics](https://doi.org/10.3389/fnana.2015.00142)

    Args:
        truth: integer array `(h, w)` or `(n, h, w)` of labels, 0 for
            membrane: `regions` of a mask.
        segmentation: integer array of that shape, 0 for membrane: `thin`, or
            `regions`, of a thresholded map.

    Returns:
        `Agreement`. Of a stack, the mean over its slices, each for itself;
        those whose truth has no foreground are left out, NaN if all are. A
        volume whose labels run through the slices can be given as
        `(n · h, w)`.

    Raises:
        ValueError: for other shapes, fractions, or negative labels.

    Example: two cells of two pixels each were merged

    >>> import numpy as np
    >>> from keras_seg.metrics import em
    >>> truth = np.array([[1, 1, 0, 2, 2]])
    >>> em.foreground_rand(truth, np.array([[1, 1, 1, 1, 1]]))
    Agreement(precision=0.5, recall=1.0, f_score=0.6666666666666666)
    """
    return _score(v_rand, truth, segmentation)


def information(truth, segmentation):
    """Computes V_Info, the information that two segmentations share.

    The same as `foreground_rand` by entropies: precision is the share of what
    there is to know of the true cells that the segmentation tells, recall is
    the same the other way round. With the same `p[i, j]`, T the true cell of
    a pixel and S its region:

    ```
    precision = (H(T) - H(T|S)) / H(T),  recall = (H(S) - H(S|T)) / H(S)
    ```

    Where there is nothing to know, because all is one region, it is 1.

    Args:
        truth: integer array, see `foreground_rand`.
        segmentation: integer array, see `foreground_rand`.

    Returns:
        `Agreement`, see `foreground_rand`.

    Raises:
        ValueError: for other shapes, fractions, or negative labels.

    Example: one of two cells was split

    >>> import numpy as np
    >>> from keras_seg.metrics import em
    >>> found = em.information(np.array([[1, 1, 2, 2]]), [[1, 1, 2, 3]])
    >>> [round(number, 3) for number in found]  # H(T) = 1, H(S) = 1.5 bits
    [1.0, 0.667, 0.8]
    """
    return _score(v_info, truth, segmentation)


def v_rand(table: Overlap) -> Agreement:
    """V_Rand from the counts of the true foreground."""
    both = (table.pairs**2).sum()
    return _agreement(
        both / (table.found**2).sum(), both / (table.truth**2).sum()
    )


def v_info(table: Overlap) -> Agreement:
    """V_Info from the counts of the true foreground."""
    of_truth = _entropy(table.pairs, table.found_of_pair)
    of_found = _entropy(table.pairs, table.truth_of_pair)
    n = table.pairs.sum()
    return _agreement(
        _known(_entropy(table.truth, n), of_truth),
        _known(_entropy(table.found, n), of_found),
    )


def _entropy(counts, of):
    """Times the number of pixels; of what is certain, exactly 0."""
    return (counts * np.log(of / counts)).sum()


def _known(entropy, unknown):
    return min(max(1 - unknown / entropy, 0.0), 1.0) if entropy else 1.0


def _agreement(precision, recall):
    both = precision + recall
    f_score = 2 * precision * recall / both if both else 0.0
    return Agreement(float(precision), float(recall), float(f_score))


def _score(score, truth, segmentation):
    truth, segmentation = check_labels(truth, segmentation)
    numbers = [
        score(count_overlaps(*restrict(*pair))) if pair[0].any() else NOTHING
        for pair in zip(truth, segmentation, strict=True)
    ]
    return Agreement(*mean_over_slices(numbers, axis=0).tolist())


def mean_over_slices(numbers, axis):
    """The mean over an axis of what is not NaN; NaN where all is."""
    numbers = np.asarray(numbers)
    scored = ~np.isnan(numbers)
    with np.errstate(invalid="ignore"):
        return np.where(scored, numbers, 0).sum(axis) / scored.sum(axis)
