"""Prediction, evaluation and tuning, at the size of each image.

Modules that need Keras are imported on first use: exported networks predict
where no backend is installed.
"""

from typing import TYPE_CHECKING

from keras_seg.inference.calibration import Calibration
from keras_seg.inference.predict import Prediction
from keras_seg.inference.predict import predict
from keras_seg.inference.scores import predict_batch
from keras_seg.inference.tiles import Tiles
from keras_seg.inference.tta import predict_turned
from keras_seg.lazy import getter

if TYPE_CHECKING:
    from keras_seg.inference.crf_tuning import CRFSearch
    from keras_seg.inference.crf_tuning import crf_search
    from keras_seg.inference.evaluation import Evaluation
    from keras_seg.inference.evaluation import evaluate

__all__ = [
    "CRFSearch",
    "Calibration",
    "Evaluation",
    "Prediction",
    "Tiles",
    "crf_search",
    "evaluate",
    "predict",
    "predict_batch",
    "predict_turned",
]

__getattr__ = getter(
    __name__,
    {
        "CRFSearch": "crf_tuning",
        "Evaluation": "evaluation",
        "crf_search": "crf_tuning",
        "evaluate": "evaluation",
    },
)
