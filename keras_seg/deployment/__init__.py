"""Export to other runtimes, and prediction with exported files.

Only `export` needs Keras: an exported file predicts where no backend is
installed. So each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from keras_seg.lazy import getter

if TYPE_CHECKING:
    from keras_seg.deployment.api import Limits
    from keras_seg.deployment.api import create_app
    from keras_seg.deployment.exported import ExportedModel
    from keras_seg.deployment.exporting import export
    from keras_seg.deployment.formats import FORMATS
    from keras_seg.deployment.formats import ExportError

__all__ = [
    "FORMATS",
    "ExportError",
    "ExportedModel",
    "Limits",
    "create_app",
    "export",
]

__getattr__ = getter(
    __name__,
    {
        "FORMATS": "formats",
        "ExportError": "formats",
        "ExportedModel": "exported",
        "Limits": "api",
        "create_app": "api",
        "export": "exporting",
    },
)
