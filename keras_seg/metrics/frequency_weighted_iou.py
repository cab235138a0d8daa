"""The intersection over union, weighted by how frequent a class is."""

import keras
from keras import ops

from keras_seg.metrics.confusion import ConfusionMatrix

__all__ = ["FrequencyWeightedIoU"]


@keras.saving.register_keras_serializable(package="keras_seg")
class FrequencyWeightedIoU(ConfusionMatrix):
    """The intersection over union of each class, weighted by its pixels.

    With `n[i, j]` the pixels of class `i` predicted as `j`, over the data
    set, `t` the sums of its rows and `p` those of its columns:

    ```
    sum_i t[i] n[i, i] / (t[i] + p[i] - n[i, i]) / sum_i t[i]
    ```

    A class that is not in the truth has weight 0. It is to be maximised, NaN
    before the first pixel and after an id outside the classes.

    Reference:

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1411.4038)

    Args:
        num_classes, ignore_class, name, dtype: see `ConfusionMatrix`.

    Call arguments:
        y_true, y_pred, sample_weight: see `ConfusionMatrix`.

    Example:

    >>> metric = FrequencyWeightedIoU(3)
    >>> metric.update_state([[0, 0, 0, 1, 255]], [[0, 0, 0, 0, 2]])
    >>> float(metric.result())
    0.5625
    """

    _direction = "up"

    def __init__(
        self,
        num_classes,
        ignore_class=255,
        name="frequency_weighted_iou",
        dtype=None,
    ):
        super().__init__(num_classes, ignore_class, name=name, dtype=dtype)

    def result(self):
        """The weighted mean over the classes, a scalar tensor."""
        matrix = self.counts_as_float()
        right = ops.diagonal(matrix)
        truth = ops.sum(matrix, axis=1)
        union = truth + ops.sum(matrix, axis=0) - right
        share = truth / ops.sum(truth)
        iou = right / ops.where(union == 0, 1.0, union)
        return ops.cast(ops.sum(share * iou), self.dtype)
