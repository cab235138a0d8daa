"""The confusion matrix of a data set, as a Keras metric."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.fast import best_class
from keras_seg.metrics.scores import Scores
from keras_seg.metrics.scores import scores as scores_of_matrix
from keras_seg.score_form import score_thresholds

__all__ = ["ConfusionMatrix", "right_truth_predicted"]

# JAX has no int64 unless asked, so that a count is kept as low + BASE * high
# in two int32. The base leaves room in the low part to add up the states of
# 128 replicas, and makes both parts exact in float32.
BASE = 2**24

MASKS_OF_0_255 = (
    "Of two classes only class 0 is in the masks, beside 255, which is void: "
    "every object would be left out. Divide masks of 0 and 255 by 255; where "
    "255 is void, add an image with an object. Received: masks of 0 and 255"
)


def seems_0_255(matrix: Any, void: Any, ignore_class: int | None) -> Any:
    """Returns whether the truth of two classes is only 0 and 255.

    `matrix` and the result are arrays or tensors; `void` is the pixels left
    out.
    """
    if matrix.shape[-1] != 2 or ignore_class != 255:
        return False
    absent, present = matrix[..., 0, :], matrix[..., 1, :]
    if isinstance(matrix, np.ndarray):
        background, objects = absent.sum(), present.sum()
    else:
        background, objects = ops.sum(absent), ops.sum(present)
    return (background > 0) & (objects == 0) & (void > 0)


@keras.saving.register_keras_serializable(package="keras_seg")
class ConfusionMatrix(keras.metrics.Metric):
    """Counts, over a data set, which class was predicted for which.

    The base of the segmentation metrics: a subclass returns a number from
    `self.counts_as_float()` in `result()`. One matrix is summed over all
    batches since `reset_state()`, exactly, up to 2^55 pixels.

    A pixel whose truth is `ignore_class` is left out, whatever the prediction.
    Any other id outside `0...num_classes - 1` is a mistake in the masks:
    `matrix()` and all that is computed from it raise a `ValueError`, and
    `result()`, which also runs inside a compiled training step, where nothing
    can be raised, is NaN.

    With two classes, a truth of nothing but 0 and 255 is refused in the same
    way: in masks of 0 and 255 the second class would be taken for void. Divide
    such masks by 255.

    Of two classes a network may give one score, that of class 1, which is
    predicted above a threshold: the matrix is that of background and object.
    With `multi_label=True` a pixel may have several labels or none, and each
    of them has a matrix of absent and present, void by itself.

    Args:
        num_classes: int, at least 2; of labels at least 1.
        ignore_class: int outside `0...num_classes - 1`, the label of void
            pixels in the truth, or `None` for none. Defaults to `255`.
        name: str.
        dtype: the dtype of `result()`. Defaults to float32, whatever
            `keras.config.floatx()` is. The counts are integers.
        multi_label: bool, whether the classes are labels that do not exclude
            each other. Defaults to False.
        threshold: float, the probability above which a label, or class 1 of
            one score, is predicted; of labels also one for each. Defaults to
            0.5.
        from_logits: bool, whether the scores that are compared with the
            threshold are logits. Defaults to True.

    Call arguments:
        y_true: class ids, `(batch, height, width)` or with a last axis of size
            1, integer or float. A fraction is no id, and counts as a mistake.
            Of labels, 0 and 1 in `(batch, height, width, labels)`.
        y_pred: logits or probabilities `(batch, height, width, classes)`, of
            which the largest counts, the first one on ties; or `(batch,
            height, width, 1)` of class 1 of two; or integer class ids in the
            shape of `y_true`. Of labels, in the shape of `y_true`, scores, or
            integers 0 and 1.
        sample_weight: must be `None`: a confusion matrix counts pixels.

    Example:

    >>> metric = ConfusionMatrix(3)
    >>> metric.update_state([[0, 1, 2, 255]], [[0, 2, 2, 1]])
    >>> metric.matrix()
    array([[1, 0, 0],
           [0, 0, 1],
           [0, 0, 1]])
    """

    _default_name = "confusion_matrix"

    def __init__(
        self,
        num_classes: int,
        ignore_class: int | None = 255,
        name: str | None = None,
        dtype: str | None = None,
        *,
        multi_label: bool = False,
        threshold: float | Sequence[float] = 0.5,
        from_logits: bool = True,
    ):
        # Not `floatx()`, in whose half precision two networks are equal.
        super().__init__(
            name=name or self._default_name, dtype=dtype or "float32"
        )
        least = 1 if multi_label else 2
        if num_classes != int(num_classes) or num_classes < least:
            raise ValueError(
                f"`num_classes` must be an integer of at least {least}. "
                f"Received: num_classes={num_classes}"
            )
        ids = 2 if multi_label else num_classes
        if ignore_class is not None and 0 <= ignore_class < ids:
            raise ValueError(
                "`ignore_class` must lie outside 0...num_classes - 1, or be "
                "None: a class that is ignored in the truth could still be "
                "predicted. Give the pixels to be ignored an id of their "
                f"own, such as 255. Received: ignore_class={ignore_class}, "
                f"num_classes={num_classes}"
            )
        self.num_classes = int(num_classes)
        self.ignore_class = None if ignore_class is None else int(ignore_class)
        self.multi_label = bool(multi_label)
        self.from_logits = bool(from_logits)
        self.threshold = np.asarray(threshold, "float64").tolist()
        self._limits = score_thresholds(self.threshold, self.from_logits)
        allowed = [(), (self.num_classes,)] if self.multi_label else [()]
        if self._limits.shape not in allowed:
            raise ValueError(
                "`threshold` must be a number, or a list of one for each "
                f"label. Received: threshold={threshold!r}"
            )
        size = self.num_classes
        self._shape = (size, 2, 2) if self.multi_label else (size, size)
        # The matrix, row by row, then the pixels with an impossible id in
        # the truth, those with one in the prediction, and void ones.
        self.counts = self.add_variable(
            shape=(2, math.prod(self._shape) + 3),
            initializer="zeros",
            dtype="int32",
            name="counts",
        )

    def update_state(
        self, y_true: Any, y_pred: Any, sample_weight: None = None
    ) -> None:
        """Counts the pixels of one batch."""
        if sample_weight is not None:
            raise ValueError(
                "A confusion matrix counts pixels and takes no weights. Mark "
                f"pixels to leave out with ignore_class={self.ignore_class}, "
                "and pass the metric in `metrics`, not `weighted_metrics`. "
                "Received: a `sample_weight`"
            )
        y_true = ops.convert_to_tensor(y_true)
        y_pred = ops.convert_to_tensor(y_pred)
        truth, prediction, wrong = self._class_ids(y_true, y_pred)
        size, cells = self._shape[-1], math.prod(self._shape)
        right_truth = (truth >= 0) & (truth < size)
        if "float" in keras.backend.standardize_dtype(y_true.dtype):
            whole = ops.reshape(ops.equal(y_true, ops.floor(y_true)), (-1,))
            right_truth = right_truth & whole
        bins = truth * size + prediction
        if self.multi_label:
            number = ops.arange(ops.shape(truth)[0], dtype="int32")
            bins = bins + 4 * (number % self.num_classes)
        bins = ops.where(right_truth, bins, cells)
        if wrong is not None:
            bins = ops.where(right_truth & wrong, cells + 1, bins)
        if self.ignore_class is not None:
            bins = ops.where(truth == self.ignore_class, cells + 2, bins)
        self._add(count_bins(bins, cells + 3))

    def _class_ids(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
        """Returns both as flat int32 ids, and where y_pred is wrong or None."""
        true_shape, shape = tuple(y_true.shape), tuple(y_pred.shape)
        is_integer = "int" in keras.backend.standardize_dtype(y_pred.dtype)
        one_score = self.num_classes == 2 and shape[-1:] == (1,)
        if self.multi_label:
            one_score = shape[-1:] == (self.num_classes,)
        elif len(true_shape) == len(shape) and true_shape[-1:] == (1,):
            true_shape = true_shape[:-1]
        if is_integer and shape == (*true_shape, 1):
            shape = shape[:-1]
        places = shape[len(true_shape) :]
        is_scores = places == (self.num_classes,) and not self.multi_label
        is_ids = is_integer and not places
        by_threshold = one_score and not is_integer
        if by_threshold and not self.multi_label:
            by_threshold = places == (1,)
        sizes = zip(true_shape, shape, strict=False)
        if not (is_scores or is_ids or by_threshold) or any(
            a != b for a, b in sizes if a is not None and b is not None
        ):
            raise ValueError(
                "`y_true` must hold class ids, (batch, height, width) or "
                "(batch, height, width, 1), and `y_pred` logits or "
                f"probabilities (batch, height, width, {self.num_classes}) "
                "or integer class ids in the shape of `y_true`; of labels, "
                "both (batch, height, width, labels). "
                f"Received: y_true of shape {tuple(y_true.shape)} and dtype "
                f"{keras.backend.standardize_dtype(y_true.dtype)}, y_pred of "
                f"shape {tuple(y_pred.shape)} and dtype "
                f"{keras.backend.standardize_dtype(y_pred.dtype)}"
            )
        truth = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        if by_threshold:
            # In float32: a threshold is rounded in half precision.
            y_pred = ops.cast(y_pred, "float32")
            prediction = y_pred > ops.convert_to_tensor(self._limits)
        else:
            prediction = best_class(y_pred) if is_scores else y_pred
        prediction = ops.reshape(ops.cast(prediction, "int32"), (-1,))
        wrong = None
        if by_threshold and not self.from_logits:
            wrong = ops.reshape((y_pred < 0) | (y_pred > 1), (-1,))
        if not (by_threshold or is_scores):
            wrong = (prediction < 0) | (prediction >= self._shape[-1])
        return truth, prediction, wrong

    def _add(self, counts: Any) -> None:
        """Adds int32 counts, with carry."""
        high = ops.floor_divide(counts, BASE)
        low = self.counts[0] + (counts - high * BASE)
        carry = ops.floor_divide(low, BASE)
        low = low - carry * BASE
        high = self.counts[1] + high + carry
        self.counts.assign(ops.stack([low, high]))

    def counts_as_float(self) -> Any:
        """Returns the matrix for `result()`: NaN everywhere after a wrong id.

        A float32 tensor of the shape of `matrix()`, rounded to 24 bits, that
        can be computed inside a compiled step.
        """
        low = ops.cast(self.counts[0], "float32")
        counts = low + BASE * ops.cast(self.counts[1], "float32")
        wrong = ops.sum(counts[-3:-1]) > 0
        matrix = ops.reshape(counts[:-3], self._shape)
        wrong = wrong | seems_0_255(matrix, counts[-1], self.ignore_class)
        return ops.where(wrong, float("nan"), matrix)

    def result(self) -> Any:
        """Returns the matrix as a tensor; `matrix()` returns exact integers."""
        return ops.cast(self.counts_as_float(), self.dtype)

    def matrix(self) -> NDArray[np.int64]:
        """Returns the exact counts since `reset_state()`.

        Returns:
            A NumPy int64 array `(num_classes, num_classes)`. Rows are the
            truth, columns the prediction. Of labels `(labels, 2, 2)`, each
            with a matrix of absent and present.

        Raises:
            ValueError: If an id outside the classes occurred, or the masks are
                of 0 and 255.
        """
        counts = ops.convert_to_numpy(self.counts.value).astype(np.int64)
        counts = counts[0] + BASE * counts[1]
        in_truth, in_prediction, void = counts[-3:]
        if in_truth or in_prediction:
            raise ValueError(
                f"Class ids outside 0...{self._shape[-1] - 1} were met in "
                f"{in_truth} pixels of y_true that are not "
                f"ignore_class={self.ignore_class}, and such, or no "
                f"probabilities with from_logits=False, in {in_prediction} "
                "pixels of y_pred. Look at the ids of your masks with "
                "numpy.unique, and correct the masks, `num_classes` or "
                f"`ignore_class`. Received: num_classes={self.num_classes}, "
                f"ignore_class={self.ignore_class}"
            )
        matrix = counts[:-3].reshape(self._shape)
        if seems_0_255(matrix, void, self.ignore_class):
            raise ValueError(MASKS_OF_0_255)
        return matrix

    def merge(self, matrix: ArrayLike) -> None:
        """Adds the matrix of another process or of an earlier run.

        Args:
            matrix: integer array, as from `matrix()`.
        """
        matrix = np.asarray(matrix)
        if matrix.shape != self._shape or matrix.dtype.kind not in "iu":
            raise ValueError(
                f"`matrix` must be an integer array {self._shape}. "
                f"Received: shape {matrix.shape}, dtype {matrix.dtype}"
            )
        counts = ops.convert_to_numpy(self.counts.value).astype(np.int64)
        total = counts[0] + BASE * counts[1]
        total[:-3] += matrix.reshape(-1).astype(np.int64)
        limbs = np.stack([total % BASE, total // BASE])
        self.counts.assign(limbs.astype(np.int32))

    def scores(self, absent_classes: str = "union") -> Scores:
        """Returns every score of the matrix, see `keras_seg.metrics.scores`.

        Raises:
            ValueError: If an id outside the classes occurred.
        """
        return scores_of_matrix(self.matrix(), absent_classes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["num_classes"] = self.num_classes
        config["ignore_class"] = self.ignore_class
        config["multi_label"] = self.multi_label
        config["threshold"] = self.threshold
        config["from_logits"] = self.from_logits
        return config


def right_truth_predicted(metric: ConfusionMatrix) -> tuple[Any, Any, Any]:
    """Pixels of each class that are right, in the truth, and predicted."""
    matrix = metric.counts_as_float()
    if metric.multi_label:
        right = matrix[:, 1, 1]
        return right, matrix[:, 1, 0] + right, matrix[:, 0, 1] + right
    right = ops.diagonal(matrix)
    return right, ops.sum(matrix, axis=1), ops.sum(matrix, axis=0)


def count_bins(bins: Any, num_bins: int) -> Any:
    """Counts how often each of `0...num_bins - 1` occurs, exactly, in int32.

    Milliseconds for 8 images of 360x480 and 21 classes, on two cores; (XLA) is
    TensorFlow with `jit_compile=True`, Keras's default there on a GPU:

    | | TensorFlow | (XLA) | JAX | PyTorch |
    | --- | --- | --- | --- | --- |
    | `ops.bincount` | 3.4 | refused | refused | **3.7** |
    | `DenseBincount` of a fixed size | **3.8** | **3.2** | | |
    | `ops.segment_sum` | 12 | 3.5 | **2.8** | 15 |
    | product of one-hot matrices | 43 | | 125 | 149 |

    On PyTorch `ops.segment_sum` adds in float32, which stops counting at 2^24.

    >>> counts = count_bins(ops.convert_to_tensor([0, 2, 2], "int32"), 4)
    >>> [int(count) for count in counts]
    [1, 0, 2, 0]
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.raw_ops.DenseBincount(
            input=bins, size=num_bins, weights=tf.constant([], "int32")
        )
    if backend == "jax":
        return ops.segment_sum(ops.ones_like(bins), bins, num_bins)
    return ops.bincount(bins, minlength=num_bins)
