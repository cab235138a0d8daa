"""Metrics from one confusion matrix over the whole data set.

`MeanIoU` goes into `model.compile(metrics=[...])`; `scores` gives the
same numbers, and more, from a confusion matrix held in NumPy.
"""

from keras_seg.metrics.confusion import ConfusionMatrix
from keras_seg.metrics.mean_iou import MeanIoU
from keras_seg.metrics.scores import Scores
from keras_seg.metrics.scores import scores

__all__ = ["ConfusionMatrix", "MeanIoU", "Scores", "scores"]
