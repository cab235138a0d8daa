"""Intersections over unions of a data set, as Keras metrics."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_seg.arguments import check_one_of
from keras_seg.metrics.confusion import ConfusionMatrix
from keras_seg.metrics.confusion import right_truth_predicted
from keras_seg.metrics.scores import ABSENT_CLASSES

__all__ = ["ClassIoU", "FrequencyWeightedIoU", "MeanIoU"]


@keras.saving.register_keras_serializable(package="keras_seg")
class MeanIoU(ConfusionMatrix):
    """The mean intersection over union, from one matrix over the data set.

    With `n[i, j]` the pixels of class `i` predicted as `j`, `t` the sums of
    its rows and `p` those of its columns, it is the mean over the classes
    `i` that are present of

    ```
    n[i, i] / (t[i] + p[i] - n[i, i])
    ```

    With one score a pixel the two classes are background and object, with
    `multi_label=True` the labels are the classes: `t` counts where one is,
    `p` where it is predicted.

    It takes logits, probabilities and class ids alike, gives the classes'
    own values in `per_class()`, and is to be maximized: `EarlyStopping` and
    `ModelCheckpoint` with `monitor="val_mean_iou"` need no `mode`.

    It is NaN before the first pixel, and after an id outside the classes;
    `per_class()` then raises an error that says so.

    Reference:

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1411.4038)

    Args:
        num_classes: int, at least 2. The background is a class.
        ignore_class: int outside `0...num_classes - 1`, the label of void
            pixels in the truth, or `None` for none. Defaults to `255`.
        absent_classes: which classes the mean leaves out. `"union"`: those
            neither in the truth nor predicted, as the FCN authors and
            PASCAL VOC count; a class that is predicted though it is not in
            the truth then counts as 0. `"truth"`: those not in the truth.
            Defaults to `"union"`.
        name: str.
        dtype: the dtype of `result()`. Defaults to float32.
        multi_label, threshold, from_logits: see `ConfusionMatrix`.

    Call arguments:
        y_true, y_pred, sample_weight: see `ConfusionMatrix`.

    Example:

    >>> metric = MeanIoU(3)
    >>> metric.update_state([[0, 1, 1, 255]], [[0, 1, 0, 2]])
    >>> round(float(metric.result()), 4)
    0.5
    >>> metric.per_class()
    array([0.5, 0.5, nan])
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        ignore_class: int | None = 255,
        absent_classes: str = "union",
        name: str = "mean_iou",
        dtype: str | None = None,
        **form: Any,
    ):
        super().__init__(num_classes, ignore_class, name, dtype, **form)
        check_one_of(ABSENT_CLASSES, absent_classes=absent_classes)
        self.absent_classes = absent_classes

    def result(self) -> Any:
        """Returns the mean over the classes present, a scalar tensor."""
        right, truth, union = _right_truth_union(self)
        counted = union if self.absent_classes == "union" else truth
        # Not `counted > 0`: a class with a NaN must come into the mean.
        present = ops.cast(ops.not_equal(counted, 0), "float32")
        iou = right / ops.where(union == 0, 1.0, union)
        mean = ops.sum(iou * present) / ops.sum(present)
        return ops.cast(mean, self.dtype)

    def per_class(self) -> NDArray[np.float64]:
        """Returns the intersection over union of each class.

        Returns:
            A NumPy float64 array `(num_classes,)`, NaN for a class that the
            mean leaves out.

        Raises:
            ValueError: If an id outside the classes occurred.
        """
        return self.scores(self.absent_classes).per_class_iou

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["absent_classes"] = self.absent_classes
        return config


@keras.saving.register_keras_serializable(package="keras_seg")
class ClassIoU(ConfusionMatrix):
    """The intersection over union of one class, to be seen every epoch.

    With `n[i, j]` the pixels of class `i` predicted as `j`, over the data
    set, `t` the sums of its rows and `p` those of its columns, it is for
    the class `i`

    ```
    n[i, i] / (t[i] + p[i] - n[i, i])
    ```

    It is to be maximized, NaN before the first pixel of the class and after
    an id outside the classes. `MeanIoU.per_class()` gives the values of all
    classes at once.

    Args:
        num_classes: int, at least 2. The background is a class.
        class_id: int in `0...num_classes - 1`.
        ignore_class: int outside `0...num_classes - 1`, the label of void
            pixels in the truth, or `None` for none. Defaults to `255`.
        absent_classes: when the result is NaN. `"union"`: if the class is
            neither in the truth nor predicted. `"truth"`: if it is not in
            the truth, even if predicted. Defaults to `"union"`.
        name: str. Defaults to `"iou_"` and the id.
        dtype: the dtype of `result()`. Defaults to float32.
        multi_label, threshold, from_logits: see `ConfusionMatrix`.

    Call arguments:
        y_true, y_pred, sample_weight: see `ConfusionMatrix`.

    Example:

    >>> metric = ClassIoU(3, class_id=1, name="iou_road")
    >>> metric.update_state([[0, 1, 1, 255]], [[0, 1, 0, 1]])
    >>> float(metric.result())
    0.5
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        class_id: int,
        ignore_class: int | None = 255,
        absent_classes: str = "union",
        name: str | None = None,
        dtype: str | None = None,
        **form: Any,
    ):
        if class_id not in range(int(num_classes)):
            raise ValueError(
                "`class_id` must be an integer in 0...num_classes - 1. "
                f"Received: class_id={class_id}, num_classes={num_classes}"
            )
        class_id = int(class_id)
        name = name or f"iou_{class_id}"
        super().__init__(num_classes, ignore_class, name, dtype, **form)
        check_one_of(ABSENT_CLASSES, absent_classes=absent_classes)
        self.class_id = class_id
        self.absent_classes = absent_classes

    def result(self) -> Any:
        """Returns the value of the class, a scalar tensor."""
        right, truth, union = (
            x[self.class_id] for x in _right_truth_union(self)
        )
        iou = right / union
        if self.absent_classes == "truth":
            iou = ops.where(truth == 0, float("nan"), iou)
        return ops.cast(iou, self.dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["class_id"] = self.class_id
        config["absent_classes"] = self.absent_classes
        return config


@keras.saving.register_keras_serializable(package="keras_seg")
class FrequencyWeightedIoU(ConfusionMatrix):
    """The intersection over union of each class, weighted by its pixels.

    With `n[i, j]` the pixels of class `i` predicted as `j`, over the data
    set, `t` the sums of its rows and `p` those of its columns:

    ```
    sum_i t[i] n[i, i] / (t[i] + p[i] - n[i, i]) / sum_i t[i]
    ```

    A class that is not in the truth has weight 0. It is to be maximized, NaN
    before the first pixel and after an id outside the classes.

    Reference:

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1411.4038)

    Args:
        num_classes, ignore_class, name, dtype, multi_label, threshold,
            from_logits: see `ConfusionMatrix`.

    Call arguments:
        y_true, y_pred, sample_weight: see `ConfusionMatrix`.

    Example:

    >>> metric = FrequencyWeightedIoU(3)
    >>> metric.update_state([[0, 0, 0, 1, 255]], [[0, 0, 0, 0, 2]])
    >>> float(metric.result())
    0.5625
    """

    _direction = "up"
    _default_name = "frequency_weighted_iou"

    def result(self) -> Any:
        """Returns the weighted mean over the classes, a scalar tensor."""
        right, truth, union = _right_truth_union(self)
        share = truth / ops.sum(truth)
        iou = right / ops.where(union == 0, 1.0, union)
        return ops.cast(ops.sum(share * iou), self.dtype)


def _right_truth_union(metric: ConfusionMatrix) -> tuple[Any, Any, Any]:
    """Returns pixels that are right, in the truth, and in either, by class."""
    right, truth, predicted = right_truth_predicted(metric)
    return right, truth, truth + predicted - right
