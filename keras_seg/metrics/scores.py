"""From masks to a confusion matrix, and from that to scores, in NumPy."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.arguments import check_one_of

__all__ = [
    "ABSENT_CLASSES",
    "Scores",
    "check_pair",
    "count_labels",
    "count_pairs",
    "per_image_iou",
    "scores",
]

ABSENT_CLASSES = ("union", "truth")


def check_pair(
    truth: ArrayLike,
    prediction: ArrayLike,
    num_classes: int,
    ignore_class: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Checks a mask and its prediction, and returns where it is not void."""
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape or not all(
        np.issubdtype(x.dtype, np.integer) for x in (truth, prediction)
    ):
        raise ValueError(
            "A mask and its prediction must be integer arrays of one shape. "
            f"Received: {truth.shape} of {truth.dtype} and "
            f"{prediction.shape} of {prediction.dtype}"
        )
    known = np.full(truth.shape, True)
    if ignore_class is not None:
        known = truth != ignore_class
    or_void = "" if ignore_class is None else f", or {ignore_class} for void"
    for name, ids, void in (
        ("Masks", truth[known], or_void),
        ("Predictions", prediction, ""),
    ):
        if ids.size and not 0 <= ids.min() <= ids.max() < num_classes:
            wrong = np.unique(ids[(ids < 0) | (ids >= num_classes)])
            raise ValueError(
                f"{name} must hold ids in 0...{num_classes - 1}{void}. "
                f"Received: ids {wrong[:10].tolist()}"
            )
    return truth.astype(np.int64), prediction.astype(np.int64), known


def count_pairs(
    truth: ArrayLike,
    prediction: ArrayLike,
    num_classes: int,
    ignore_class: int | None = 255,
) -> NDArray[np.int64]:
    """Counts which class was predicted for which.

    Args:
        truth: integer array.
        prediction: integer array of that shape.
        num_classes: int.
        ignore_class: int, the id in `truth` that does not count, or None.

    Returns:
        int64 array `(num_classes, num_classes)`, rows are the truth.

    Raises:
        ValueError: If another id in `truth` is no class.

    Example:

    >>> import numpy as np
    >>> from keras_seg.metrics import count_pairs
    >>> count_pairs(np.array([0, 1, 1, 255]), np.array([0, 1, 0, 1]), 2)
    array([[1, 0],
           [1, 1]])
    """
    truth, prediction, known = check_pair(
        truth, prediction, num_classes, ignore_class
    )
    bins = truth[known] * num_classes + prediction[known]
    counts = np.bincount(bins, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def count_labels(
    truth: ArrayLike,
    prediction: ArrayLike,
    ignore_class: int | None = 255,
) -> NDArray[np.int64]:
    """Counts, label by label, where it is and where it was predicted.

    Args:
        truth: integer array `(..., labels)` of 0 and 1.
        prediction: integer array of that shape, of 0 and 1.
        ignore_class: int, what marks void in `truth`, in each label by
            itself, or None.

    Returns:
        int64 array `(labels, 2, 2)`: for each label the matrix of absent and
        present, rows are the truth.

    Raises:
        ValueError: If another value occurs.

    Example: the second label is void in one pixel

    >>> import numpy as np
    >>> from keras_seg.metrics import count_labels
    >>> truth = np.array([[1, 0], [1, 255]])
    >>> count_labels(truth, np.array([[1, 1], [0, 1]])).tolist()
    [[[0, 0], [1, 1]], [[0, 1], [0, 0]]]
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    labels = truth.shape[-1] if truth.ndim else 0
    check_pair(truth, prediction, 2, ignore_class)
    counts = [
        count_pairs(truth[..., i], prediction[..., i], 2, ignore_class)
        for i in range(labels)
    ]
    return np.stack(counts)


@dataclass(frozen=True, eq=False)
class Scores:
    """What a confusion matrix says about a segmentation.

    Every number is a fraction in 0...1, or NaN where nothing was counted.

    Attributes:
        pixel_accuracy: float, the share of pixels labeled rightly.
        mean_accuracy: float, the recall, averaged over the classes that
            are in the truth.
        mean_iou: float, the intersection over union, averaged over the
            classes that are present.
        frequency_weighted_iou: float, the intersection over union,
            weighted by the pixels each class has in the truth.
        per_class_accuracy: float64 array `(classes,)`, the recall, NaN for
            a class that is not in the truth.
        per_class_iou: float64 array `(classes,)`, NaN for an absent class.
        per_class_precision: float64 array `(classes,)`, NaN for a class that
            was not predicted.
    """

    pixel_accuracy: float
    mean_accuracy: float
    mean_iou: float
    frequency_weighted_iou: float
    per_class_accuracy: NDArray[np.float64]
    per_class_iou: NDArray[np.float64]
    per_class_precision: NDArray[np.float64]

    @property
    def mean_precision(self) -> float:
        """The precision, averaged over the classes that were predicted."""
        return _mean(self.per_class_precision)

    @property
    def per_class_f1(self) -> NDArray[np.float64]:
        """Of precision and recall, `2·IoU / (1 + IoU)`: the Dice coefficient.

        Float64 array `(classes,)`, NaN for an absent class.
        """
        return 2 * self.per_class_iou / (1 + self.per_class_iou)

    @property
    def mean_f1(self) -> float:
        """The F1, averaged over the classes that are present."""
        return _mean(self.per_class_f1)


def scores(matrix: ArrayLike, absent_classes: str = "union") -> Scores:
    """Computes the four scores of the FCN paper, and those of each class.

    With `n[i, j]` the pixels of class `i` predicted as `j`,
    `t[i] = sum_j n[i, j]` and `p[j] = sum_i n[i, j]`:

    ```
    pixel accuracy          sum_i n[i, i] / sum_i t[i]
    mean accuracy           mean_i n[i, i] / t[i]
    IoU of class i          n[i, i] / (t[i] + p[i] - n[i, i])
    mean IoU                mean_i IoU[i]
    frequency weighted IoU  sum_i t[i] IoU[i] / sum_i t[i]
    ```

    With labels, each of which has a matrix of absent and present, `t[i]` and
    `p[i]` are the pixels where label `i` is and where it is predicted, `n[i,
    i]` those of both. The pixel accuracy is then the share of all answers,
    present or absent, that are right.

    The matrix is that of the whole data set: averaging the IoU of single
    images gives another number.

    Reference:

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1411.4038)

    Args:
        matrix: integer array `(classes, classes)`, rows are the truth; or
            `(labels, 2, 2)`, as `count_labels` returns.
        absent_classes: which classes are left out of `mean_iou`, and NaN
            in `per_class_iou`. `"union"`: those that are neither in the
            truth nor predicted, as the FCN authors and PASCAL VOC count.
            `"truth"`: those that are not in the truth, even if predicted.

    Returns:
        `Scores`.

    Raises:
        ValueError: If the matrix is not a square one of counts.

    Example:

    >>> result = scores([[50, 5, 0], [4, 30, 1], [0, 10, 0]])
    >>> round(result.mean_iou, 5)
    0.48249
    >>> [round(float(iou), 5) for iou in result.per_class_iou]
    [0.84746, 0.6, 0.0]
    """
    matrix = np.asarray(matrix)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    if not square and (matrix.ndim != 3 or matrix.shape[1:] != (2, 2)):
        raise ValueError(
            "`matrix` must be square, (classes, classes), or that of labels, "
            f"(labels, 2, 2). Received: shape {matrix.shape}"
        )
    if matrix.dtype.kind not in "iu" or (matrix < 0).any():
        raise ValueError(
            "`matrix` must hold counts, integers of at least 0. "
            f"Received: dtype {matrix.dtype}, "
            f"smallest value {matrix.min(initial=0)}"
        )
    check_one_of(ABSENT_CLASSES, absent_classes=absent_classes)
    counts = matrix.astype(np.int64)
    if square:
        right = np.diagonal(counts)
        truth, predicted = counts.sum(axis=1), counts.sum(axis=0)
    else:
        right = counts[:, 1, 1]
        truth, predicted = counts[:, 1].sum(-1), counts[:, :, 1].sum(-1)
    union = truth + predicted - right
    answers = np.trace(counts, axis1=-2, axis2=-1).sum()
    present = union > 0 if absent_classes == "union" else truth > 0
    accuracy = _divide(right, truth)
    iou = np.where(present, _divide(right, union), np.nan)
    weighted = np.where(truth > 0, truth * iou, 0.0).sum()
    return Scores(
        pixel_accuracy=float(_divide(answers, counts.sum())),
        mean_accuracy=_mean(accuracy),
        mean_iou=_mean(iou),
        frequency_weighted_iou=float(_divide(weighted, truth.sum())),
        per_class_accuracy=accuracy,
        per_class_iou=iou,
        per_class_precision=_divide(right, predicted),
    )


def per_image_iou(
    pairs: Iterable[tuple[ArrayLike, ArrayLike]],
    num_classes: int,
    *,
    ignore_class: int | None = 255,
    absent_classes: str = "union",
) -> NDArray[np.float64]:
    """Computes the mean intersection over union of each image by itself.

    It shows which images are segmented badly. Its mean over the images is not
    the mean IoU of a data set, as papers and benchmarks report it, and is
    usually larger: classes that are not in an image cannot be missed there.
    One network with 72.4 over PASCAL VOC was published with a mean over images
    of 78.5.

    Args:
        pairs: iterable of tuples (truth, prediction), integer arrays `(height,
            width)`; images may differ in size.
        num_classes: int.
        ignore_class: int, the label of void pixels in the truth, or None.
        absent_classes: see `keras_seg.metrics.scores`, within the image.

    Returns:
        float64 array `(images,)`, NaN for an image that is void.

    Raises:
        ValueError: If an id is outside the classes.

    Example: the second image is half right

    >>> import numpy as np
    >>> from keras_seg.metrics import per_image_iou
    >>> right, wrong = np.array([[0, 0, 1]]), np.array([[0, 0, 0]])
    >>> per_image_iou([(right, right), (right, wrong)], 2).round(3)
    array([1.   , 0.333])
    """
    return np.array(
        [
            scores(
                count_pairs(truth, prediction, num_classes, ignore_class),
                absent_classes,
            ).mean_iou
            for truth, prediction in pairs
        ]
    )


def _divide(
    numerator: ArrayLike, denominator: ArrayLike
) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.true_divide(numerator, denominator)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
