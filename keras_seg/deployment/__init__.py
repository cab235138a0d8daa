"""Networks that leave Python: written for other runtimes, and run there.

Each name is imported when it is first used. Only `export` needs Keras: an
exported file predicts where no backend is installed.
"""

from typing import TYPE_CHECKING

from keras_seg.lazy import getter

if TYPE_CHECKING:
    from keras_seg.deployment.errors import ExportError
    from keras_seg.deployment.exported import ExportedModel
    from keras_seg.deployment.exporting import export
    from keras_seg.deployment.formats import FORMATS

__all__ = ["FORMATS", "ExportError", "ExportedModel", "export"]

__getattr__ = getter(
    __name__,
    {
        "FORMATS": "formats",
        "ExportError": "errors",
        "ExportedModel": "exported",
        "export": "exporting",
    },
)
