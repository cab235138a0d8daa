"""Networks that leave Python: written for other runtimes, and run there.

Each name is imported when it is first used. Only `export` needs Keras: an
exported file predicts where no backend is installed.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_seg.deployment.errors import ExportError
    from keras_seg.deployment.exported import ExportedModel
    from keras_seg.deployment.exporting import export
    from keras_seg.deployment.formats import FORMATS

__all__ = ["FORMATS", "ExportError", "ExportedModel", "export"]

# No file is named as what it gives: an imported file would hide it.
_FILES = {
    "FORMATS": "formats",
    "ExportError": "errors",
    "ExportedModel": "exported",
    "export": "exporting",
}


def __getattr__(name):
    if name in _FILES:
        module = importlib.import_module(f"{__name__}.{_FILES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
