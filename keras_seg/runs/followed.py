"""A run folder that another process writes."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
from numpy.typing import NDArray

from keras_seg.data import ClassTable
from keras_seg.runs.folder import RunFolder
from keras_seg.runs.settings import Settings

__all__ = ["FollowedRun"]


class FollowedRun(RunFolder):
    """A run folder of which this process writes nothing.

    Where several processes train one model, all of them do the same, and the
    first one alone writes. The folder need not be there on another machine,
    unless the run goes on from it.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        settings: Settings | None,
        class_table: ClassTable,
    ):
        super().__init__(path, settings and settings.resolved(), class_table)

    def write_text(self, name: str, text: str) -> None:
        pass

    def write_picture(self, name: str, picture: NDArray) -> None:
        pass

    def save_model(self, model: keras.Model, name: str) -> None:
        pass

    def write_table(
        self, name: str, rows: Sequence[dict[str, Any]]
    ) -> pathlib.Path:
        return self.path / name
