"""The callback that writes a run folder while a model trains."""

import math
import time
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_seg import visualization
from keras_seg.data import Batches
from keras_seg.inference import Evaluation
from keras_seg.metrics import ConfusionMatrix
from keras_seg.runs.files import writing
from keras_seg.runs.folder import RunFolder
from keras_seg.runs.followed import FollowedRun
from keras_seg.runs.model_file import without_optimizer
from keras_seg.training.averaging import averaged
from keras_seg.training.checkpoint import generator_states
from keras_seg.training.checkpoint import read_checkpoint
from keras_seg.training.checkpoint import restore_variables
from keras_seg.training.checkpoint import set_generator_states
from keras_seg.training.checkpoint import write_checkpoint
from keras_seg.training.setup import at_size

__all__ = ["SaveRun", "validation_matrix"]


class SaveRun(keras.callbacks.Callback):
    """Writes the history, the models and the state after every epoch.

    It replaces `keras.callbacks.ModelCheckpoint`, which overwrites the old
    file, and `BackupAndRestore`, which forgets which model was the best: after
    a crash while they write, neither the old file nor the new one is left.

    The state is written last: an epoch counts only once its state is there,
    and `restore` continues from the last epoch that counts. Give `fit` this
    callback after all others.

    Args:
        run: `keras_seg.runs.RunFolder`.
        monitor: str, the metric whose largest value makes a model the best. If
            it is not in the logs, there is no best model.

    Example:

    ```python
    saving = SaveRun(RunFolder.create("runs/a", None, classes))
    begin = saving.restore(model, batches)  # 0 in a new folder
    model.fit(
        batches,
        epochs=20,
        initial_epoch=begin,
        validation_data=held_out,
        callbacks=[saving],
    )
    ```
    """

    def __init__(self, run: RunFolder, monitor: str = "val_mean_iou"):
        super().__init__()
        self.run = run
        self.monitor = monitor
        self.best = -math.inf
        self.best_epoch: int | None = None
        self.rows: list[dict[str, Any]] = []
        self.class_rows: list[dict[str, Any]] = []
        self._generators = None
        self._begin = time.monotonic()
        self._next_curves = 0.0

    def restore(self, model: keras.Model, batches: Batches) -> int:
        """Sets model, optimizer and batches to where the run stopped.

        Args:
            model: compiled `keras.Model`, built as for the first epoch.
            batches: `keras_seg.data.Batches`.

        Returns:
            int, the number of finished epochs: `initial_epoch` of `fit`.

        Raises:
            RunError: If the state is damaged, or of another model.
        """
        path = self.run.path / "state.npz"
        if not path.is_file():
            return 0
        facts, arrays = read_checkpoint(path)
        restore_variables(model, arrays, path)
        self.rows = facts["rows"]
        self.class_rows = facts["class_rows"]
        self.best_epoch = facts["best_epoch"]
        if self.best_epoch is not None:
            self.best = facts["best"]
        batches.epoch = facts["epoch"]
        self._generators = facts["generators"]
        return facts["epoch"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # Here: `fit` itself may draw from them before its first step.
        if self._generators is not None:
            set_generator_states(self._generators)

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._begin = time.monotonic()

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        seconds = round(time.monotonic() - self._begin, 1)
        self.rows.append({"epoch": epoch + 1, **logs, "seconds": seconds})
        self._write_tables(epoch, logs)
        if not math.isfinite(logs.get("loss", 0.0)):
            return  # The last good model stays.
        if logs.get(self.monitor, -math.inf) > self.best:
            self.best = logs[self.monitor]
            self.best_epoch = epoch + 1
            self._save_model("best.keras")
        self._save_model("model.keras")
        self.draw_curves()
        self._write_state(epoch)

    def _save_model(self, name: str) -> None:
        model = without_optimizer(self.model)
        with averaged(self.model):
            self.run.save_model(at_size(model, self.run.settings), name)

    def draw_curves(self, always: bool = False) -> None:
        """Draws `curves.png`, if it is due and matplotlib is installed.

        Drawing takes half a second. It is due again after 20 times as long, so
        that it takes at most a twentieth of a run; `always=True` draws now.
        """
        begin = time.monotonic()
        due = always or begin >= self._next_curves
        if not due or not visualization.can_plot():
            return
        picture = visualization.curves(self.rows, best=self.best_epoch)
        self.run.write_picture("curves.png", picture)
        end = time.monotonic()
        self._next_curves = end + 20 * (end - begin)

    def _write_tables(self, epoch: int, logs: dict[str, float]) -> None:
        # An epoch that ended early, on a NaN, has no validation.
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        rows = [{name: r.get(name, "") for name in names} for r in self.rows]
        self.run.write_table("history.csv", rows)
        matrix = validation_matrix(self.model, logs)
        if matrix is not None:
            found = Evaluation(matrix, self.run.class_table, 0).rows()
            self.class_rows += [{"epoch": epoch + 1, **row} for row in found]
            self.run.write_table("class_history.csv", self.class_rows)

    def _write_state(self, epoch: int) -> None:
        facts = {
            "epoch": epoch + 1,
            "best": self.best if self.best_epoch else None,
            "best_epoch": self.best_epoch,
            "generators": generator_states(),
            "rows": self.rows,
            "class_rows": self.class_rows,
        }
        if isinstance(self.run, FollowedRun):
            return
        with writing(self.run.path / "state.npz") as temporary:
            write_checkpoint(temporary, self.model, facts)


def validation_matrix(
    model: keras.Model, logs: dict[str, Any] | None
) -> NDArray[np.int64] | None:
    """Returns the confusion matrix of the validation that has just ended.

    Metrics keep their counts until the next epoch begins. None without
    validation, without such a metric, or after an id outside the classes.
    """
    if not any(name.startswith("val_") for name in logs or {}):
        return None
    for metric in _metrics(model.metrics):
        if isinstance(metric, ConfusionMatrix):
            try:
                return metric.matrix()
            except ValueError:
                return None
    return None


def _metrics(metrics: Iterable[keras.Metric]) -> Iterator[keras.Metric]:
    for metric in metrics:
        # What `compile` was given is inside a metric of Keras.
        yield metric
        yield from _metrics(getattr(metric, "metrics", ()))
