"""The share of pixels that are right, over all pixels or class by class."""

from typing import Any

import keras
from keras import ops

from keras_seg.metrics.confusion import ConfusionMatrix
from keras_seg.metrics.confusion import right_truth_predicted

__all__ = ["MeanAccuracy", "PixelAccuracy"]


@keras.saving.register_keras_serializable(package="keras_seg")
class PixelAccuracy(ConfusionMatrix):
    """The share of pixels labeled rightly, void left out.

    With `n[i, j]` the pixels of class `i` predicted as `j`, over the data
    set:

    ```
    sum_i n[i, i] / sum_ij n[i, j]
    ```

    A large class decides it: where 99 % of the pixels are background, a
    network that says nothing else has 0.99. It is to be maximized, NaN
    before the first pixel and after an id outside the classes. With labels it
    is the share of all answers, absent or present, that are right.

    Reference:

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1411.4038)

    Args:
        num_classes, ignore_class, name, dtype, multi_label, threshold,
            from_logits: see `ConfusionMatrix`.

    Call arguments:
        y_true, y_pred, sample_weight: see `ConfusionMatrix`.

    Example:

    >>> metric = PixelAccuracy(3)
    >>> metric.update_state([[0, 1, 1, 1, 255]], [[0, 1, 1, 0, 2]])
    >>> float(metric.result())
    0.75
    """

    _direction = "up"
    _default_name = "pixel_accuracy"

    def result(self) -> Any:
        """Returns the share of all pixels, a scalar tensor."""
        matrix = self.counts_as_float()
        right = ops.sum(ops.diagonal(matrix, axis1=-2, axis2=-1))
        return ops.cast(right / ops.sum(matrix), self.dtype)


@keras.saving.register_keras_serializable(package="keras_seg")
class MeanAccuracy(ConfusionMatrix):
    """The share of a class's pixels labeled rightly, averaged over classes.

    With `n[i, j]` the pixels of class `i` predicted as `j`, over the data
    set, it is the mean over the classes `i` that are in the truth of

    ```
    n[i, i] / sum_j n[i, j]
    ```

    which is the recall of a class: pixels that are wrongly given to it do
    not count against it, see `MeanIoU`. It is to be maximized, NaN before
    the first pixel and after an id outside the classes.

    Reference:

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1411.4038)

    Args:
        num_classes, ignore_class, name, dtype, multi_label, threshold,
            from_logits: see `ConfusionMatrix`.

    Call arguments:
        y_true, y_pred, sample_weight: see `ConfusionMatrix`.

    Example:

    >>> metric = MeanAccuracy(3)
    >>> metric.update_state([[0, 1, 1, 1, 1, 255]], [[0, 1, 1, 0, 2, 2]])
    >>> float(metric.result())
    0.75
    """

    _direction = "up"
    _default_name = "mean_accuracy"

    def result(self) -> Any:
        """Returns the mean over the classes in the truth, a scalar tensor."""
        right, truth, _ = right_truth_predicted(self)
        # Not `truth > 0`: a class with a NaN must come into the mean.
        present = ops.cast(ops.not_equal(truth, 0), "float32")
        accuracy = right / ops.where(truth == 0, 1.0, truth)
        mean = ops.sum(accuracy * present) / ops.sum(present)
        return ops.cast(mean, self.dtype)
