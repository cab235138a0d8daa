"""The command line, `keras-seg`: one thin module for each command.

Importing it brings in typer and rich alone: Keras and a backend come with a
command that needs them, so that `keras-seg --help` is there at once.
"""

from keras_seg.cli.commands import app
from keras_seg.cli.commands import main

__all__ = ["app", "main"]
