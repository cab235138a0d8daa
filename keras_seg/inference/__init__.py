"""Prediction and evaluation, at the size of each image.

Modules that need Keras are imported on first use: exported networks predict
where no backend is installed.
"""

from typing import TYPE_CHECKING

from keras_seg.inference.calibration import Calibration
from keras_seg.inference.confidence import confidence_maps
from keras_seg.inference.objects import find_objects
from keras_seg.inference.objects import measure_objects
from keras_seg.inference.predict import predict
from keras_seg.inference.predictions import Prediction
from keras_seg.inference.predictions import Predictions
from keras_seg.inference.rank import Ranked
from keras_seg.inference.rank import rank
from keras_seg.inference.scores import predict_batch
from keras_seg.inference.tiles import Tiles
from keras_seg.inference.tta import predict_turned
from keras_seg.lazy import getter

if TYPE_CHECKING:
    from keras_seg.inference.evaluation import Evaluation
    from keras_seg.inference.evaluation import evaluate
    from keras_seg.inference.reliability import Reliability
    from keras_seg.inference.reliability import fit_temperature
    from keras_seg.inference.reliability import set_temperature
    from keras_seg.inference.threshold import set_threshold
    from keras_seg.inference.threshold import tune_threshold

__all__ = [
    "Calibration",
    "Evaluation",
    "Prediction",
    "Predictions",
    "Ranked",
    "Reliability",
    "Tiles",
    "confidence_maps",
    "evaluate",
    "find_objects",
    "fit_temperature",
    "measure_objects",
    "predict",
    "predict_batch",
    "predict_turned",
    "rank",
    "set_temperature",
    "set_threshold",
    "tune_threshold",
]

__getattr__ = getter(
    __name__,
    {
        "Evaluation": "evaluation",
        "evaluate": "evaluation",
        "Reliability": "reliability",
        "fit_temperature": "reliability",
        "set_temperature": "reliability",
        "set_threshold": "threshold",
        "tune_threshold": "threshold",
    },
)
