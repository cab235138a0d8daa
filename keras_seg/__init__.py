"""Any Keras image classifier as a semantic segmentation network, exactly.

The rooms are imported when they are first used, so that `import keras_seg`
brings in Keras and NumPy and nothing heavier.

Example:

>>> import keras_seg
>>> keras_seg.applications.FCN8s.__name__
'FCN8s'
"""

import importlib

__version__ = "0.1.0"

_ROOMS = (
    "applications",
    "data",
    "deployment",
    "inference",
    "layers",
    "losses",
    "metrics",
    "ops",
    "schedules",
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
