"""V_Rand and V_Info: the ranking of the ISBI 2012 challenge.

They score whether a section of electron microscopy is cut into the right
cells. **Every map is of cell interior**: the truth is not zero, and a
probability is high, inside a cell, not on a membrane. For a network that
predicts membrane pass `1 - probability`, for a mask of membrane `mask == 0`.
Nothing detects a map the wrong way round; its scores are just low.

`leader_board` scores a probability map, `foreground_scores` a label map; `thin`
labels the cells of a binary map. A section of 512x512 takes `leader_board`
0.5 s on one core. Needs scikit-image: `pip install 'keras-seg[classical]'`.

Reference:

- [Crowdsourcing the creation of image segmentation algorithms for
  connectomics](https://doi.org/10.3389/fnana.2015.00142)
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.lazy import optional

__all__ = [
    "Agreement",
    "LeaderBoard",
    "foreground_scores",
    "leader_board",
    "thin",
]

# The thresholds of U-Net's paper. Above an 11th, 1, nothing is interior.
THRESHOLDS = tuple(level / 10 for level in range(10))


class Agreement(NamedTuple):
    """How well a segmentation agrees with the truth, in 0...1.

    Attributes:
        precision: float, 1 if no two true cells were merged.
        recall: float, 1 if no true cell was split.
        f_score: float, their harmonic mean.
    """

    precision: float
    recall: float
    f_score: float


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


def leader_board(
    truth: ArrayLike,
    probability: ArrayLike,
    thresholds: ArrayLike = THRESHOLDS,
) -> LeaderBoard:
    """Computes V_Rand and V_Info after thinning, at their best thresholds.

    For each threshold and slice, the borders of the cells are thinned to one
    pixel (`thin`) and compared with the cells of the truth, which is not
    thinned (`foreground_scores`). The f-scores are averaged over the slices;
    the largest mean is the score.

    Args:
        truth: array `(h, w)` or `(n, h, w)`, not zero in cell interior. A
            mask: labels that touch with no membrane between them are one
            cell.
        probability: float array of that shape, of **cell interior**, in
            0...1.
        thresholds: float or floats in 0...1. Interior is what is above.

    Returns:
        `LeaderBoard`. Slices whose truth has no interior are left out; NaN if
        all are.

    Raises:
        ValueError: If shapes differ or are none of the above, or a value is
            NaN or outside 0...1.
        ImportError: If scikit-image is missing.

    Example: a faint membrane

    >>> import numpy as np
    >>> from keras_seg.metrics import em
    >>> truth = np.array([[1, 1, 0, 1, 1]])
    >>> em.leader_board(truth, np.array([[0.9, 0.8, 0.6, 0.9, 0.9]]))
    LeaderBoard(v_rand=1.0, v_info=1.0, ...threshold=0.6, ...threshold=0.6)
    """
    measure = optional("skimage.measure", "classical", "`leader_board`")
    masks, maps, levels = _check(truth, probability, thresholds)
    scored = masks.any(axis=(1, 2))
    if not scored.any():
        return LeaderBoard(np.nan, np.nan, *levels[[0, 0]].tolist())
    scores = np.zeros((scored.sum(), len(levels), 2))
    for mask, chances, of_slice in zip(
        masks[scored], maps[scored], scores, strict=True
    ):
        cells = measure.label(mask, connectivity=1)
        for level, both in zip(levels, of_slice, strict=True):
            found = foreground_scores(cells, thin(chances > level))
            both[:] = [agreement.f_score for agreement in found]
    means = np.mean(scores, axis=0)
    best = levels[means.argmax(axis=0)]
    return LeaderBoard(*means.max(axis=0).tolist(), *best.tolist())


def foreground_scores(
    truth: ArrayLike, segmentation: ArrayLike
) -> tuple[Agreement, Agreement]:
    """Computes V_Rand and V_Info of label maps, in the true foreground.

    There, every pixel that is found to be membrane is a region of its own.
    Precision of V_Rand is the share, among the pairs of pixels in one region,
    of those in one true cell; recall the same the other way round. V_Info is
    the same by entropies. With `n[i, j]` the pixels in true cell `i` and
    region `j`, `T` the cell of a pixel and `S` its region:

    ```
    V_Rand: precision = sum n[i, j]² / sum n[., j]²
            recall    = sum n[i, j]² / sum n[i, .]²
    V_Info: precision = 1 - H(T|S) / H(T),  recall = 1 - H(S|T) / H(S)
    ```

    A share of an entropy of 0, because all is one region, is 1.
    `skimage.metrics.adapted_rand_error` differs from 1 - V_Rand in two ways:
    membrane in the segmentation is one region, and a pixel makes no pair with
    itself.

    Args:
        truth: integer array of labels, 0 for membrane.
        segmentation: integer array of that shape, 0 for membrane.

    Returns:
        Tuple of two `Agreement`: V_Rand and V_Info, NaN if the truth has no
        foreground.

    Raises:
        ValueError: If shapes differ, or a label is negative or a float.
        ImportError: If scikit-image is missing.

    Example: two cells of two pixels each were merged

    >>> import numpy as np
    >>> from keras_seg.metrics import em
    >>> truth = np.array([[1, 1, 0, 2, 2]])
    >>> v_rand, v_info = em.foreground_scores(truth, np.ones_like(truth))
    >>> v_rand
    Agreement(precision=0.5, recall=1.0, f_score=0.6666666666666666)
    >>> v_info
    Agreement(precision=0.0, recall=1.0, f_score=0.0)
    """
    metrics = optional("skimage.metrics", "classical", "V_Rand")
    truth, segmentation = np.asarray(truth), np.asarray(segmentation)
    _check_one_shape("segmentation", truth, segmentation)
    for name, labels in (("truth", truth), ("segmentation", segmentation)):
        if labels.dtype.kind not in "biu" or labels.min(initial=0) < 0:
            raise ValueError(
                f"`{name}` must hold integer labels of at least 0, 0 for "
                "membrane. Fix: `thin` of a binary map. Received: dtype "
                f"{labels.dtype}, lowest {labels.min(initial=0)}"
            )
    foreground = truth != 0
    if not foreground.any():
        return (Agreement(np.nan, np.nan, np.nan),) * 2
    inside = segmentation[foreground].astype(np.int64)
    alone = inside == 0
    inside[alone] = inside.max() + 1 + np.arange(alone.sum())
    table = metrics.contingency_table(
        _close(truth[foreground].astype(np.int64)), _close(inside)
    ).tocoo()
    both = table.data
    cells, regions = (np.ravel(table.sum(axis=axis)) for axis in (1, 0))
    pairs = (both**2).sum()
    return (
        _agreement(pairs / (regions**2).sum(), pairs / (cells**2).sum()),
        _agreement(
            _known(cells, both, regions[table.col]),
            _known(regions, both, cells[table.row]),
        ),
    )


def thin(interior: ArrayLike) -> np.ndarray:
    """Labels the cells of a map, with borders thinned to one pixel.

    Cells are 4-connected. They grow over the membrane between them by a
    watershed, until only the lines where two cells meet are left, so that a
    score does not depend on the width of membranes. The pixels of a cell stay
    in it, and no two cells become one. Membrane that ends within a cell
    disappears. A map without a cell is one region.

    Where three floods meet, scikit-image's watershed may put a pixel on the
    line that has only one cell beside it: 1 in 500 on real slices.

    Args:
        interior: bool or integer array `(h, w)`, not zero in cell interior:
            `probability > threshold`.

    Returns:
        Integer array `(h, w)`, the cells from 1 on, 0 on the lines.

    Raises:
        ValueError: If `interior` has another shape, or is of floats.
        ImportError: If scikit-image is missing.

    Example: a membrane of three pixels

    >>> import numpy as np
    >>> from keras_seg.metrics import em
    >>> em.thin(np.array([[1, 1, 0, 0, 0, 1]])).tolist()
    [[1, 1, 1, 0, 2, 2]]
    """
    measure = optional("skimage.measure", "classical", "`thin`")
    skimage = optional("skimage.segmentation", "classical", "`thin`")
    interior = np.asarray(interior)
    if interior.ndim != 2 or interior.dtype.kind not in "biu":
        raise ValueError(
            "`interior` must be a binary map (h, w), bool or integer. Fix: "
            "interior > 0.5. Received: "
            f"shape {interior.shape}, dtype {interior.dtype}"
        )
    cells = measure.label(interior != 0, connectivity=1)
    if not cells.any():
        return np.ones_like(cells)
    return skimage.watershed(
        cells == 0, cells, connectivity=1, watershed_line=True
    )


def _close(labels: NDArray) -> NDArray:
    """Renames labels that are far apart, so that their table stays small."""
    if labels.max() < 4 * labels.size:
        return labels
    return np.unique(labels, return_inverse=True)[1]


def _known(sizes: NDArray, both: NDArray, given: NDArray) -> float:
    """Returns 1 - H(X|Y) / H(X), from sizes of X, of X and Y, and of Y."""

    def entropy(counts, of):
        return (counts * np.log(of / counts)).sum()

    total = entropy(sizes[sizes > 0], both.sum())
    return np.clip(1 - entropy(both, given) / total, 0, 1) if total else 1.0


def _agreement(precision: float, recall: float) -> Agreement:
    both = precision + recall
    f_score = 2 * precision * recall / both if both else 0.0
    return Agreement(float(precision), float(recall), float(f_score))


def _check(
    truth: ArrayLike, probability: ArrayLike, thresholds: ArrayLike
) -> tuple[NDArray, NDArray, NDArray]:
    truth, probability = np.asarray(truth), np.asarray(probability)
    levels = np.atleast_1d(thresholds)
    _check_one_shape("probability", truth, probability)
    if truth.ndim not in (2, 3) or not truth.size or truth.shape[2:] == (1,):
        raise ValueError(
            "`truth` must be one slice (h, w) or a stack of slices (n, h, w), "
            "not empty and without channels (Fix: truth[..., 0]). "
            f"Received: shape {truth.shape}"
        )
    if np.isnan(truth).any():
        raise ValueError("`truth` must be a mask. Received: NaN")
    if not (probability.min() >= 0 and probability.max() <= 1):
        raise ValueError(
            "`probability` must be that of cell interior, in 0...1. Fix: a "
            "sigmoid for logits, / 255 for an 8-bit map. Received: values in "
            f"{probability.min()}...{probability.max()}"
        )
    if (
        levels.ndim != 1
        or levels.dtype.kind not in "biuf"
        or not levels.size
        or not ((levels >= 0) & (levels <= 1)).all()
    ):
        raise ValueError(
            "`thresholds` must be one or more numbers in 0...1. "
            f"Received: thresholds={thresholds!r}"
        )
    if truth.ndim == 2:
        truth, probability = truth[None], probability[None]
    return truth != 0, probability.astype(np.float64), levels.astype(float)


def _check_one_shape(name: str, truth: NDArray, other: NDArray) -> None:
    if truth.shape != other.shape:
        raise ValueError(
            f"`truth` and `{name}` must have one shape. "
            f"Received: {truth.shape} and {other.shape}"
        )
