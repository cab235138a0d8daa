"""The command line, `keras-seg`: one module per command.

Keras and a backend are imported by the commands that need them, so that
`keras-seg --help` is fast.
"""

from keras_seg.cli.start import main
from keras_seg.lazy import getter

__all__ = ["app", "main"]

__getattr__ = getter(__name__, {"app": "commands"})
