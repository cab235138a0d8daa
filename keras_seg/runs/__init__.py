"""Run folders: what a network was trained with, and what came of it.

Training writes a run folder; prediction, evaluation and export read it, and
need nothing of `keras_seg.training` for that:

    run = keras_seg.runs.RunFolder.open("RUN")
    ids = keras_seg.predict(run.load_model(), image)

Modules that need Keras are imported on first use: tables are written where no
backend is installed.
"""

from typing import TYPE_CHECKING

from keras_seg.lazy import getter
from keras_seg.runs.files import RunError
from keras_seg.runs.files import RunWarning
from keras_seg.runs.source import DataSource

if TYPE_CHECKING:
    from keras_seg.runs.folder import RunFolder
    from keras_seg.runs.model_file import class_table_of
    from keras_seg.runs.model_file import set_class_table
    from keras_seg.runs.settings import Settings

__all__ = [
    "DataSource",
    "RunError",
    "RunFolder",
    "RunWarning",
    "Settings",
    "class_table_of",
    "set_class_table",
]

__getattr__ = getter(
    __name__,
    {
        "RunFolder": "folder",
        "Settings": "settings",
        "class_table_of": "model_file",
        "set_class_table": "model_file",
    },
)
