"""The challenge's first scores: of pixels, and of pairs of pixels."""

import numpy as np

from keras_seg.metrics.em.overlap import count_overlaps
from keras_seg.metrics.em.regions import regions
from keras_seg.metrics.em.slices import check_maps
from keras_seg.metrics.em.slices import check_thresholds

__all__ = ["pixel_error", "rand_error"]


def pixel_error(truth, probability, thresholds=None):
    """Computes the share of pixels on the wrong side of the best threshold.

    The mean over the slices, the smallest over the thresholds. It looks at no
    cell: a membrane that is drawn wider is as wrong as one that is missing.

    Args:
        truth: array `(h, w)` or `(n, h, w)`, not zero where cell interior is.
        probability: array of that shape, that of **cell interior**, in 0...1.
            Fix, for that of membrane: `1 - probability`.
        thresholds: floats in 0...1. Interior is what is above. Defaults to
            0, 0.1, ..., 0.9.

    Returns:
        float.

    Raises:
        ValueError: for other shapes, NaN, or values outside 0...1.

    Example:

    >>> from keras_seg.metrics import em
    >>> em.pixel_error([[0, 1, 1, 1]], [[0.1, 0.4, 0.1, 0.9]])
    0.25
    """
    truth, probability = check_maps(truth, probability)
    return min(
        float((truth != (probability > level)).mean())
        for level in check_thresholds(thresholds)
    )


def rand_error(truth, probability, thresholds=None):
    """Computes 1 - the Rand index at the best threshold.

    The share of the pairs of pixels that are in one region of the truth and
    in two that were found, or the other way round. All membrane counts as
    one region. With the overlaps `n[i, j]` of the regions, of `n` pixels:

    ```
    index = 1 + (sum n[i, j]² - (sum n[i, .]² + sum n[., j]²) / 2) / C(n, 2)
    ```

    The mean over the slices, the smallest error over the thresholds. The Rand
    error that the challenge listed is another: 1 - V_Rand, see
    `foreground_rand`. Reference:

    - [Objective criteria for the evaluation of clustering methods](
      https://doi.org/10.2307/2284239)

    Args:
        truth: array, see `pixel_error`.
        probability: array, that of **cell interior**, see `pixel_error`.
        thresholds: floats, see `pixel_error`.

    Returns:
        float.

    Raises:
        ValueError: for other shapes, NaN, or values outside 0...1.
        ImportError: if SciPy is missing.

    Example: a cell of three pixels is split, 3 pairs of 10, and the pixel of
    the split is membrane like the other one, 1 pair

    >>> from keras_seg.metrics import em
    >>> round(em.rand_error([[1, 1, 1, 0, 1]], [[1, 0, 1, 0, 1]]), 3)
    0.4
    """
    truth, probability = check_maps(truth, probability)
    levels = check_thresholds(thresholds)
    errors = np.zeros((len(levels), len(truth)))
    for index, (mask, chances) in enumerate(
        zip(truth, probability, strict=True)
    ):
        cells = regions(mask).astype(np.int64)
        for row, level in zip(errors, levels, strict=True):
            found = regions(chances > level).astype(np.int64)
            row[index] = _rand_error(count_overlaps(cells, found))
    return float(errors.mean(axis=1).min())


def _rand_error(table):
    n = table.pairs.sum()
    together = (table.truth**2).sum() + (table.found**2).sum()
    apart = together / 2 - (table.pairs**2).sum()
    # A single pixel has no pair, and so no error.
    return apart / max(n * (n - 1) / 2, 1)
