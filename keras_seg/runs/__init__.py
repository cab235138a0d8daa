"""Run folders: what a network was trained with, and what came of it.

Training writes a run folder; prediction, evaluation and export read it, and
need nothing of `keras_seg.training` for that:

    run = keras_seg.runs.RunFolder.open("RUN")
    ids = keras_seg.predict(run.load_model(), image)
"""

from keras_seg.runs.files import RunError
from keras_seg.runs.files import RunWarning
from keras_seg.runs.folder import RunFolder
from keras_seg.runs.model_file import class_table_of
from keras_seg.runs.model_file import set_class_table
from keras_seg.runs.settings import Settings
from keras_seg.runs.source import DataSource

__all__ = [
    "DataSource",
    "RunError",
    "RunFolder",
    "RunWarning",
    "Settings",
    "class_table_of",
    "set_class_table",
]
