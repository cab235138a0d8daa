"""The base of the trackers."""

import dataclasses
import json
import pathlib
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_seg.inference import Evaluation
from keras_seg.runs.files import RunError
from keras_seg.runs.files import RunWarning
from keras_seg.runs.folder import RunFolder
from keras_seg.training.save_run import validation_matrix

__all__ = ["FOLDER", "PROJECT", "Tracker"]

# In the run folder; `keras_seg.hub.push` leaves it out.
FOLDER = "tracking"
# The project of W&B and the experiment of MLflow, unless their environment
# variables say another.
PROJECT = "keras-seg"


class Tracker(keras.callbacks.Callback):
    """Sends a run to a tracker while it is trained.

    After every epoch, with the number of finished epochs as the step: loss and
    metrics, the learning rate at its beginning, the IoU of each class on the
    validation images, and the picture that `SamplePanels` has just written.
    At the end, by `finish`: the scores and the confusion matrix of the saved
    model.

    The tracker's own number of the run is kept in the run folder, so that a
    run that goes on is the same run there. An error while training, such as a
    lost connection, is a `RunWarning`, and the run goes on without tracking.

    Args:
        run: `keras_seg.runs.RunFolder`.
        begin: int, the number of epochs that are finished.

    Raises:
        ImportError: If its package is missing.
        RunError: If the tracker refuses the run.
    """

    name = ""

    def __init__(self, run: RunFolder, begin: int = 0):
        super().__init__()
        self.run = run
        self.begin = begin
        self._is_lost = False
        known = self._known().get(self.name)
        try:
            number = self.open(known)
        except Exception as error:
            raise RunError(
                f"{self.name} does not take the run: {error} Fix: see to it, "
                f"and go on with keras-seg train --resume {run.path}."
            ) from error
        if number != known:
            (run.path / FOLDER).mkdir(exist_ok=True)
            text = json.dumps({**self._known(), self.name: number})
            run.write_text(f"{FOLDER}/runs.json", text + "\n")

    def _known(self) -> dict[str, str]:
        path = self.run.path / FOLDER / "runs.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the run, if it has some."""
        settings = self.run.settings
        return {} if settings is None else dataclasses.asdict(settings)

    def open(self, number: str | None) -> str:
        """Begins a run, or goes on with that of a number; returns its own."""
        raise NotImplementedError

    def scalars(self, step: int, values: dict[str, float]) -> None:
        raise NotImplementedError

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        raise NotImplementedError

    def matrix(self, step: int, counts: NDArray[np.int64]) -> None:
        raise NotImplementedError

    def close(self, succeeded: bool) -> None:
        raise NotImplementedError

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        rate = self.model.optimizer.learning_rate
        self._rate = float(keras.ops.convert_to_numpy(rate))

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        values["learning_rate"] = self._rate
        counts = validation_matrix(self.model, logs)
        if counts is not None:
            table = self.run.class_table
            values |= self._ious("iou", Evaluation(counts, table, 0))
        samples = self.run.path / f"samples/epoch_{epoch + 1:03d}.png"

        def send() -> None:
            self.scalars(epoch + 1, values)
            if samples.is_file():
                self.picture(epoch + 1, "samples", samples)

        self._try(send)

    def finish(self, found: Evaluation, epochs: int, best: int | None) -> None:
        """Sends the scores of a finished run, and ends it there.

        Args:
            found: `keras_seg.inference.Evaluation` of the saved model.
            epochs: int, the number of epochs.
            best: int, the epoch of the saved model; None for the last.
        """
        scores = dataclasses.asdict(found.scores)
        values = {
            f"final/{name}": float(value)
            for name, value in scores.items()
            if np.ndim(value) == 0
        }
        values |= self._ious("final/iou", found)
        values["best_epoch"] = float(best or epochs)
        plot = self.run.path / "confusion.png"

        def send() -> None:
            self.scalars(epochs, values)
            self.matrix(epochs, found.matrix)
            if plot.is_file():
                self.picture(epochs, "confusion", plot)
            self.close(True)

        self._try(send)

    def counts(self, matrix: NDArray[np.int64]) -> tuple[list, list[list]]:
        """Header and rows of a table of the confusion matrix, or of labels'."""
        names = self.run.class_table.names
        header = ["true \\ predicted", *names]
        if matrix.ndim == 3:
            header = ["label", "neither", "predicted", "true", "both"]
        rows = matrix.reshape(len(names), -1).tolist()
        return header, [[a, *b] for a, b in zip(names, rows, strict=True)]

    def _ious(self, name: str, found: Evaluation) -> dict[str, float]:
        """The IoU of each class that is present."""
        return {
            f"{name}/{self._key(row)}": row["iou"]
            for row in found.rows()
            if row["iou"] == row["iou"]
        }

    def _key(self, row: dict[str, Any]) -> str:
        return row["name"]

    def fail(self) -> None:
        """Ends a run there that was not trained to its end."""
        self._try(lambda: self.close(False))

    def _try(self, send: Callable[[], None]) -> None:
        if self._is_lost:
            return
        try:
            send()
        except Exception as error:
            self._is_lost = True
            warnings.warn(
                f"{self.name} takes no more of the run: {error} It goes on "
                "without.",
                RunWarning,
                stacklevel=2,
            )
