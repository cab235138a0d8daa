"""The command line, `keras-seg`: one thin module for each command.

Importing it brings in nothing, and `app` typer and rich alone: Keras and a
backend come with a command that needs them, so that `keras-seg --help` is
there at once.
"""

from keras_seg.cli.start import main
from keras_seg.lazy import getter

__all__ = ["app", "main"]

__getattr__ = getter(__name__, {"app": "commands"})
