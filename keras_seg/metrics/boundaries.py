"""How well the outlines of the classes are found."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.arguments import check_one_of
from keras_seg.lazy import optional
from keras_seg.metrics.scores import ABSENT_CLASSES
from keras_seg.metrics.scores import check_pair

__all__ = ["boundary_f1", "boundary_iou", "chessboard_distance"]


def boundary_f1(
    pairs: Iterable[tuple[ArrayLike, ArrayLike]],
    num_classes: int,
    tolerance: float = 0.0075,
    *,
    ignore_class: int | None = 255,
    absent_classes: str = "union",
) -> NDArray[np.float64]:
    """Computes the boundary F1 score of each class, SegNet's "BF".

    Of one image and class, precision is the share of the predicted contour
    that is no farther from the true one than the tolerance, recall that of
    the true contour near the predicted one, and F1 = 2·p·r / (p + r). A
    contour has the pixels of the class with a neighbor outside of it. The
    score of a class is the mean over the images. References:

    - [What is a good evaluation measure for semantic segmentation?](
      https://doi.org/10.5244/C.27.32) (BMVC 2013)
    - [SegNet](https://arxiv.org/abs/1511.00561)

    What is predicted where the truth is void changes nothing, and there is no
    contour against a void pixel. So it is meant for masks without void strips
    around the objects: for those, see `trimap`.

    Args:
        pairs: iterable of tuples (truth, prediction), integer arrays
            `(height, width)`; images may differ in size.
        num_classes: int.
        tolerance: float, a share of the diagonal of the image. Defaults to
            0.0075, the papers'.
        ignore_class: int, the label of void pixels in the truth, or None.
        absent_classes: which images a class is scored in. `"union"`: those
            that have a contour of it in the truth or in the prediction, 0
            where one of them is missing. `"truth"`: those that have one in
            the truth.

    Returns:
        float64 array `(num_classes,)`, NaN for a class that was nowhere
        scored. `numpy.nanmean` of it is the score of a network.

    Raises:
        ValueError: If an id is outside the classes.
        ImportError: If SciPy is missing.

    Example: an outline that is one pixel off, and within the tolerance

    >>> import numpy as np
    >>> from keras_seg.metrics import boundary_f1
    >>> truth = np.zeros((100, 100), int)
    >>> truth[20:80, 20:80] = 1
    >>> boundary_f1([(truth, np.roll(truth, 1, axis=0))], 2)
    array([1., 1.])
    """
    check_one_of(ABSENT_CLASSES, absent_classes=absent_classes)
    total = np.zeros(num_classes)
    count = np.zeros(num_classes)
    for truth, prediction in pairs:
        truth, prediction, known = check_pair(
            truth, prediction, num_classes, ignore_class
        )
        reach = tolerance * np.hypot(*truth.shape)
        for index in range(num_classes):
            real = _contour(truth == index, known)
            found = _contour(prediction == index, known)
            if not real.any() and (
                absent_classes == "truth" or not found.any()
            ):
                continue
            count[index] += 1
            total[index] += _f1(real, found, reach)
    with np.errstate(invalid="ignore"):
        return total / count


def _f1(real: NDArray, found: NDArray, reach: float) -> float:
    if not real.any() or not found.any():
        return 0.0
    precision = (_euclidean_distance(real)[found] <= reach).mean()
    recall = (_euclidean_distance(found)[real] <= reach).mean()
    return 2 * precision * recall / max(precision + recall, 1e-12)


def boundary_iou(
    pairs: Iterable[tuple[ArrayLike, ArrayLike]],
    num_classes: int,
    dilation: float = 0.02,
    *,
    ignore_class: int | None = 255,
    absent_classes: str = "union",
) -> NDArray[np.float64]:
    """Computes the intersection over union of the rims of each class.

    The rim of a region has its pixels within chessboard distance `d` of a
    pixel outside the region, or of the frame of the image. Intersections and
    unions of the true and the predicted rims are summed over all images. Void
    pixels are in no rim and outside of no region, so that what is predicted
    there changes nothing. Reference:

    - [Boundary IoU](https://arxiv.org/abs/2103.16562)

    Args:
        pairs: iterable of tuples (truth, prediction), integer arrays
            `(height, width)`; images may differ in size.
        num_classes: int.
        dilation: float, `d` as a share of the diagonal of the image, rounded
            to a pixel and at least 1. Defaults to 0.02, the paper's.
        ignore_class: int, the label of void pixels in the truth, or None.
        absent_classes: `"union"`, or `"truth"` for NaN where a class is in
            no truth, even if it is predicted.

    Returns:
        float64 array `(num_classes,)`, NaN for an absent class.
        `numpy.nanmean` of it is the score of a network.

    Raises:
        ValueError: If an id is outside the classes.
        ImportError: If SciPy is missing.

    Example:

    >>> import numpy as np
    >>> from keras_seg.metrics import boundary_iou
    >>> truth = np.zeros((50, 50), int)
    >>> truth[10:40, 10:40] = 1
    >>> boundary_iou([(truth, truth)], 3)
    array([ 1.,  1., nan])
    """
    check_one_of(ABSENT_CLASSES, absent_classes=absent_classes)
    real_rims, both, either = np.zeros((3, num_classes), np.int64)
    for truth, prediction in pairs:
        truth, prediction, known = check_pair(
            truth, prediction, num_classes, ignore_class
        )
        width = max(1, round(dilation * np.hypot(*truth.shape)))
        for index in np.union1d(truth[known], prediction[known]):
            real = _rim(truth == index, known, width)
            found = _rim(prediction == index, known, width)
            real_rims[index] += real.sum()
            both[index] += (real & found).sum()
            either[index] += (real | found).sum()
    present = either if absent_classes == "union" else real_rims
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(present > 0, both / either, np.nan)


def _rim(region: NDArray, known: NDArray, width: int) -> NDArray:
    outside = np.pad(known & ~region, 1, constant_values=True)
    distance = chessboard_distance(outside)[1:-1, 1:-1]
    return region & known & (distance <= width)


def chessboard_distance(target: NDArray[np.bool_]) -> NDArray:
    """Returns the chessboard distance of each pixel to a set.

    It is at most `w` where the square of side `2·w + 1` around the pixel has
    one of the set, 0 in the set, and the largest int32 if the set is empty.
    """
    if not target.any():
        return np.full(target.shape, np.iinfo(np.int32).max)
    return _ndimage().distance_transform_cdt(~target, metric="chessboard")


def _euclidean_distance(target: NDArray[np.bool_]) -> NDArray:
    """Returns the distance to a set in pixels, infinite if it is empty."""
    if not target.any():
        return np.full(target.shape, np.inf)
    return _ndimage().distance_transform_edt(~target)


def _contour(
    region: NDArray[np.bool_], known: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Returns the pixels of a region that share a side with its outside.

    The frame of the image and what is not `known` are not outside.
    """
    padded = np.pad(region | ~known, 1, constant_values=True)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1]
    inside &= padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & known & ~inside


def _ndimage() -> Any:
    return optional("scipy.ndimage", "classical", "A score along boundaries")
