"""Any Keras image classifier as a semantic segmentation network, exactly.

With `import keras_seg`, every class that a saved model can name is registered:
layers, losses, metrics, optimizers and schedules, as soon as Keras is imported,
before or after. The other rooms are imported when they are first used. Keras
itself is not imported here: the command line chooses its backend first.

Example:

>>> import keras_seg
>>> keras_seg.applications.FCN8s.__name__
'FCN8s'
"""

import importlib

from keras_seg.lazy import after_import

__version__ = "0.1.0"

# What registers classes.
_REGISTERING = (
    "crf",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "schedules",
)

# Imported when they are first used.
_ROOMS = (
    *_REGISTERING,
    "applications",
    "data",
    "deployment",
    "fast",
    "hub",
    "inference",
    "ops",
    "pretrained",
    "runs",
    "surgery",
    "training",
    "unsupervised",
    "visualization",
)

# What is short to reach, and the room it is in.
_FUNCTIONS = {
    "crf_search": "crf",
    "dense_crf": "crf",
    "evaluate": "inference",
    "export": "deployment",
    "predict": "inference",
    "receptive_field": "surgery",
}

__all__ = ["__version__", *_ROOMS, *_FUNCTIONS]


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _FUNCTIONS:
        room = importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}")
        return getattr(room, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)


def _register():
    for room in _REGISTERING:
        importlib.import_module(f"{__name__}.{room}")


after_import("keras", _register)
