"""Prediction, evaluation and tuning, at the size of each image.

What needs Keras by itself is imported when it is first used: an exported
network predicts where no backend is installed.
"""

import importlib
from typing import TYPE_CHECKING

from keras_seg.inference.calibration import Calibration
from keras_seg.inference.predict import predict
from keras_seg.inference.scores import predict_batch
from keras_seg.inference.stream import Prediction
from keras_seg.inference.tiles import Tiles
from keras_seg.inference.turns import predict_turned

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

# No file is named as what it gives: an imported file would hide it.
_FILES = {
    "CRFSearch": "crf_tuning",
    "Evaluation": "evaluation",
    "crf_search": "crf_tuning",
    "evaluate": "evaluation",
}


def __getattr__(name):
    if name in _FILES:
        module = importlib.import_module(f"{__name__}.{_FILES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
