"""Any Keras image classifier as a semantic segmentation network, exactly.

`import keras_seg` registers every class that a saved model can name: layers,
losses, metrics, optimizers and schedules. They need Keras and NumPy only. The
other rooms are imported when they are first used.

Example:

>>> import keras_seg
>>> keras_seg.applications.FCN8s.__name__
'FCN8s'
"""

import importlib

from keras_seg import layers
from keras_seg import losses
from keras_seg import metrics
from keras_seg import optimizers
from keras_seg import schedules

__version__ = "0.1.0"

# Imported when they are first used.
_ROOMS = (
    "applications",
    "data",
    "deployment",
    "inference",
    "ops",
    "surgery",
    "training",
    "unsupervised",
    "visualization",
)

# What is short to reach, and the room it is in.
_FUNCTIONS = {
    "crf_search": "inference",
    "dense_crf": "ops.crf",
    "evaluate": "inference",
    "export": "deployment",
    "predict": "inference",
    "receptive_field": "surgery",
}

__all__ = [
    "__version__",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "schedules",
    *_ROOMS,
    *_FUNCTIONS,
]


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _FUNCTIONS:
        room = importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}")
        return getattr(room, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
