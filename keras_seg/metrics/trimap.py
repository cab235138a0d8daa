"""Scores in bands along the boundaries of objects."""

from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.arguments import check_one_of
from keras_seg.metrics.boundaries import chessboard_distance
from keras_seg.metrics.scores import Scores
from keras_seg.metrics.scores import check_pair
from keras_seg.metrics.scores import scores

__all__ = ["band_distance", "trimap"]

KINDS = ("void", "label_change")


def band_distance(
    mask: ArrayLike, kind: str = "void", ignore_class: int | None = 255
) -> NDArray:
    """Returns the width of the narrowest band that each pixel lies in.

    A band of width `w` has the pixels whose square of side `2·w + 1` reaches

    - `"void"`: a void pixel. Void pixels themselves, the contours drawn around
      the objects of PASCAL VOC, are in no band. This is the evaluation of
      DeepLab's authors.
    - `"label_change"`: a pixel of another class, for masks without such
      contours. Void pixels are of no class, and in no band.

    Args:
        mask: integer array `(height, width)`.
        kind: str, see above.
        ignore_class: int, the label of void pixels, or None.

    Returns:
        int array `(height, width)`, at least 1 in a band; 0 where the mask is
        void, and the largest int32 if there is no boundary.

    Raises:
        ValueError: If there is no such kind.
        ImportError: If SciPy is missing.

    Example:

    >>> import numpy as np
    >>> from keras_seg.metrics import band_distance
    >>> band_distance(np.array([[0, 0, 0, 255, 1, 1]])).tolist()
    [[3, 2, 1, 0, 1, 2]]
    >>> band_distance(np.array([[0, 0, 0, 1, 1, 1]]), "label_change").tolist()
    [[3, 2, 1, 1, 2, 3]]
    """
    check_one_of(KINDS, kind=kind)
    mask = np.asarray(mask)
    void = np.full(mask.shape, False)
    if ignore_class is not None:
        void = mask == ignore_class
    if kind == "void":
        return chessboard_distance(void)
    distance = np.zeros(mask.shape, np.int64)
    for index in np.unique(mask[~void]):
        own = mask == index
        others = chessboard_distance(~own & ~void)
        distance[own] = others[own]
    return distance


def trimap(
    pairs: Iterable[tuple[ArrayLike, ArrayLike]],
    num_classes: int,
    widths: Sequence[int] = (1, 2, 5, 10, 20, 40),
    kind: str = "void",
    *,
    ignore_class: int | None = 255,
    absent_classes: str = "union",
) -> dict[int, Scores]:
    """Scores a segmentation in bands along the boundaries of objects.

    A network that finds objects but blurs their outline has low scores in
    narrow bands. See `band_distance` for what a band is. One confusion matrix
    is summed over all images for each width. Reference:

    - [Semantic Image Segmentation with Deep Convolutional Nets and Fully
      Connected CRFs](https://arxiv.org/abs/1412.7062), with widths of 1 … 40

    Args:
        pairs: iterable of tuples (truth, prediction), integer arrays
            `(height, width)`; images may differ in size.
        num_classes: int.
        widths: ints of at least 1, in pixels, ascending.
        kind: `"void"`, the authors' definition, or `"label_change"`.
        ignore_class: int, the label of void pixels in the truth, or None.
        absent_classes: see `keras_seg.metrics.scores`.

    Returns:
        Dictionary from each width to `keras_seg.metrics.Scores`: NaN where
        no pixel was in the band.

    Raises:
        ValueError: If an id is outside the classes, or the widths are not
            ascending.
        ImportError: If SciPy is missing.

    Example: the pixel beside the boundary is wrong, the next one is right

    >>> import numpy as np
    >>> from keras_seg.metrics import trimap
    >>> truth = np.array([[0, 0, 255, 1, 1]])
    >>> found = trimap([(truth, np.array([[0, 1, 1, 1, 1]]))], 2, (1, 2))
    >>> found[1].pixel_accuracy, found[2].pixel_accuracy
    (0.5, 0.75)
    """
    widths = [int(width) for width in widths]
    if not widths or widths[0] < 1 or sorted(set(widths)) != widths:
        raise ValueError(
            "`widths` must be integers of at least 1, ascending. "
            f"Received: widths={tuple(widths)}"
        )
    size = num_classes**2
    rings = np.zeros((len(widths) + 1, size), np.int64)
    for truth, prediction in pairs:
        truth, prediction, known = check_pair(
            truth, prediction, num_classes, ignore_class
        )
        distance = band_distance(truth, kind, ignore_class)
        ring = np.searchsorted(widths, distance[known])
        bins = truth[known] * num_classes + prediction[known]
        counts = np.bincount(ring * size + bins, minlength=rings.size)
        rings += counts.reshape(rings.shape)
    matrices = np.cumsum(rings, axis=0).reshape(-1, num_classes, num_classes)
    return {
        width: scores(matrix, absent_classes)
        for width, matrix in zip(widths, matrices, strict=False)
    }
