"""The intersection over union of one class, as a Keras metric."""

import keras
from keras import ops

from keras_seg.metrics.confusion import ConfusionMatrix
from keras_seg.metrics.scores import check_absent_classes

__all__ = ["ClassIoU"]


@keras.saving.register_keras_serializable(package="keras_seg")
class ClassIoU(ConfusionMatrix):
    """The intersection over union of one class, to be seen every epoch.

    With `n[i, j]` the pixels of class `i` predicted as `j`, over the data
    set, `t` the sums of its rows and `p` those of its columns, it is for
    the class `i`

    ```
    n[i, i] / (t[i] + p[i] - n[i, i])
    ```

    It is to be maximised, NaN before the first pixel of the class and after
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
        name: string. Defaults to `"iou_"` and the id.
        dtype: the dtype of `result()`. Defaults to float32.

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
        num_classes,
        class_id,
        ignore_class=255,
        absent_classes="union",
        name=None,
        dtype=None,
    ):
        if class_id not in range(int(num_classes)):
            raise ValueError(
                "`class_id` must be an integer in 0...num_classes - 1. "
                f"Received: class_id={class_id}, num_classes={num_classes}"
            )
        class_id = int(class_id)
        name = name or f"iou_{class_id}"
        super().__init__(num_classes, ignore_class, name=name, dtype=dtype)
        check_absent_classes(absent_classes)
        self.class_id = class_id
        self.absent_classes = absent_classes

    def result(self):
        """The value of the class, a scalar tensor."""
        matrix = self.counts_as_float()
        right = matrix[self.class_id, self.class_id]
        truth = ops.sum(matrix[self.class_id])
        union = truth + ops.sum(matrix[:, self.class_id]) - right
        iou = right / union
        if self.absent_classes == "truth":
            iou = ops.where(truth == 0, float("nan"), iou)
        return ops.cast(iou, self.dtype)

    def get_config(self):
        config = super().get_config()
        config["class_id"] = self.class_id
        config["absent_classes"] = self.absent_classes
        return config
