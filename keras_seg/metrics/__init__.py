"""Scores of a segmentation over a whole data set.

`MeanIoU`, `PixelAccuracy`, `MeanAccuracy`, `FrequencyWeightedIoU` and
`ClassIoU` go into `model.compile(metrics=[...])`; `scores` gives the same
numbers from a confusion matrix held in NumPy. `trimap`, `boundary_f1`,
`boundary_iou` and `per_image_iou` look at masks and predictions in NumPy.
`em` has V_Rand and V_Info of the ISBI 2012 challenge.
"""

# First, so that what Keras's import registers is not half imported.
import keras  # noqa: F401

from keras_seg.metrics import em
from keras_seg.metrics.accuracy import MeanAccuracy
from keras_seg.metrics.accuracy import PixelAccuracy
from keras_seg.metrics.boundaries import boundary_f1
from keras_seg.metrics.boundaries import boundary_iou
from keras_seg.metrics.confusion import ConfusionMatrix
from keras_seg.metrics.iou import ClassIoU
from keras_seg.metrics.iou import FrequencyWeightedIoU
from keras_seg.metrics.iou import MeanIoU
from keras_seg.metrics.scores import Scores
from keras_seg.metrics.scores import count_labels
from keras_seg.metrics.scores import count_pairs
from keras_seg.metrics.scores import per_image_iou
from keras_seg.metrics.scores import scores
from keras_seg.metrics.trimap import band_distance
from keras_seg.metrics.trimap import trimap

__all__ = [
    "ClassIoU",
    "ConfusionMatrix",
    "FrequencyWeightedIoU",
    "MeanAccuracy",
    "MeanIoU",
    "PixelAccuracy",
    "Scores",
    "band_distance",
    "boundary_f1",
    "boundary_iou",
    "count_labels",
    "count_pairs",
    "em",
    "per_image_iou",
    "scores",
    "trimap",
]
