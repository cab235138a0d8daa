"""Prediction, evaluation and tuning, at the size of each image."""

from keras_seg.inference.calibration import Calibration
from keras_seg.inference.crf_search import CRFSearch
from keras_seg.inference.crf_search import crf_search
from keras_seg.inference.evaluate import Evaluation
from keras_seg.inference.evaluate import evaluate
from keras_seg.inference.predict import predict
from keras_seg.inference.scores import predict_batch
from keras_seg.inference.stream import Prediction
from keras_seg.inference.tiles import Tiles
from keras_seg.inference.turns import predict_turned

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
