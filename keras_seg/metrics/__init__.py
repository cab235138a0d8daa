"""Scores of a segmentation over a whole data set.

`MeanIoU`, `PixelAccuracy`, `MeanAccuracy`, `FrequencyWeightedIoU` and
`ClassIoU` go into `model.compile(metrics=[...])`; `scores` gives the same
numbers from a confusion matrix held in NumPy.
"""

from keras_seg.metrics.accuracy import MeanAccuracy
from keras_seg.metrics.accuracy import PixelAccuracy
from keras_seg.metrics.class_iou import ClassIoU
from keras_seg.metrics.confusion import ConfusionMatrix
from keras_seg.metrics.frequency_weighted_iou import FrequencyWeightedIoU
from keras_seg.metrics.mean_iou import MeanIoU
from keras_seg.metrics.scores import Scores
from keras_seg.metrics.scores import scores

__all__ = [
    "ClassIoU",
    "ConfusionMatrix",
    "FrequencyWeightedIoU",
    "MeanAccuracy",
    "MeanIoU",
    "PixelAccuracy",
    "Scores",
    "scores",
]
