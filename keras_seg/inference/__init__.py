"""Prediction, evaluation and tuning, at the size of each image.

What needs Keras by itself is imported when it is first used: an exported
network predicts where no backend is installed.
"""

from typing import TYPE_CHECKING

from keras_seg.inference.calibration import Calibration
from keras_seg.inference.predict import predict
from keras_seg.inference.scores import predict_batch
from keras_seg.inference.stream import Prediction
from keras_seg.inference.tiles import Tiles
from keras_seg.inference.turns import predict_turned
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
