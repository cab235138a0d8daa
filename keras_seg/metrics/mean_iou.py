"""The mean intersection over union of a data set, as a Keras metric."""

import keras
from keras import ops

from keras_seg.metrics.confusion import ConfusionMatrix
from keras_seg.metrics.scores import check_absent_classes

__all__ = ["MeanIoU"]


@keras.saving.register_keras_serializable(package="keras_seg")
class MeanIoU(ConfusionMatrix):
    """The mean intersection over union, from one matrix over the data set.

    With `n[i, j]` the pixels of class `i` predicted as `j`, `t` the sums of
    its rows and `p` those of its columns, it is the mean over the classes
    `i` that are present of

    ```
    n[i, i] / (t[i] + p[i] - n[i, i])
    ```

    It takes logits, probabilities and class ids alike, gives the classes'
    own values in `per_class()`, and is to be maximised: `EarlyStopping` and
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
        name: string.
        dtype: the dtype of `result()`. Defaults to float32.

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
        num_classes,
        ignore_class=255,
        absent_classes="union",
        name="mean_iou",
        dtype=None,
    ):
        super().__init__(num_classes, ignore_class, name=name, dtype=dtype)
        check_absent_classes(absent_classes)
        self.absent_classes = absent_classes

    def result(self):
        """The mean over the classes that are present, a scalar tensor."""
        matrix = self.counts_as_float()
        right = ops.diagonal(matrix)
        truth = ops.sum(matrix, axis=1)
        union = truth + ops.sum(matrix, axis=0) - right
        counted = union if self.absent_classes == "union" else truth
        # Not `counted > 0`: a class with a NaN must come into the mean.
        present = ops.cast(ops.not_equal(counted, 0), "float32")
        iou = right / ops.where(union == 0, 1.0, union)
        mean = ops.sum(iou * present) / ops.sum(present)
        return ops.cast(mean, self.dtype)

    def per_class(self):
        """Gives the intersection over union of each class.

        Returns:
            A NumPy float64 array `(num_classes,)`, NaN for a class that
            the mean leaves out.

        Raises:
            ValueError: if an id outside the classes was met.
        """
        return self.scores(self.absent_classes).per_class_iou

    def get_config(self):
        config = super().get_config()
        config["absent_classes"] = self.absent_classes
        return config
