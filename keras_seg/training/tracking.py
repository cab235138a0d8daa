"""Runs in TensorBoard, Weights & Biases and MLflow."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import secrets
import socket
import time
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_seg.inference import Evaluation
from keras_seg.lazy import optional
from keras_seg.runs.files import RunError
from keras_seg.runs.files import RunWarning
from keras_seg.runs.folder import RunFolder
from keras_seg.training.save_run import validation_matrix

__all__ = [
    "MLflow",
    "TensorBoard",
    "Tracker",
    "WandB",
    "check_packages",
    "trackers",
]

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


class TensorBoard(Tracker):
    """Writes event files to `tracking/tensorboard`, without TensorFlow.

    `keras.callbacks.TensorBoard` needs TensorFlow. Settings are there as
    hyperparameters.
    """

    name = "tensorboard"

    def open(self, number: str | None) -> str:
        from tensorboard.compat.proto import event_pb2
        from tensorboard.plugins.hparams import plugin_data_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder = self.run.path / FOLDER / "tensorboard"
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        # By their names, TensorBoard reads its files in the order of time.
        name = f"events.out.tfevents.{now:017.6f}.{socket.gethostname()}"
        self._writer = RecordWriter(open(folder / name, "xb"))
        self._event(file_version="brain.Event:2")
        if number is None:
            start = plugin_data_pb2.SessionStartInfo(start_time_secs=now)
            for key, value in self.settings.items():
                hparam = start.hparams[key]
                if isinstance(value, bool):
                    hparam.bool_value = value
                elif isinstance(value, int | float):
                    hparam.number_value = value
                else:
                    hparam.string_value = str(value)
            self._hparams("session_start_info", start)
        else:
            # What a killed run wrote of an epoch that is repeated is void.
            start = event_pb2.SessionLog.START
            log = event_pb2.SessionLog(status=start)
            self._event(session_log=log, step=self.begin + 1)
        return folder.name

    def _event(self, **content: Any) -> None:
        from tensorboard.compat.proto import event_pb2

        event = event_pb2.Event(wall_time=time.time(), **content)
        self._writer.write(event.SerializeToString())
        self._writer.flush()

    def _summary(self, step: int, values: list[dict[str, Any]]) -> None:
        from tensorboard.compat.proto import summary_pb2

        found = [summary_pb2.Summary.Value(**value) for value in values]
        self._event(step=step, summary=summary_pb2.Summary(value=found))

    def _plugin(self, plugin: str, content: bytes = b"") -> dict[str, Any]:
        return {"plugin_data": {"plugin_name": plugin, "content": content}}

    def _hparams(self, name: str, info: Any) -> None:
        from tensorboard.plugins.hparams import plugin_data_pb2

        data = plugin_data_pb2.HParamsPluginData(**{name: info})
        metadata = self._plugin("hparams", data.SerializeToString())
        tag = f"_hparams_/{name}"
        self._summary(0, [{"tag": tag, "metadata": metadata}])

    def scalars(self, step: int, values: dict[str, float]) -> None:
        self._summary(
            step,
            [{"tag": tag, "simple_value": x} for tag, x in values.items()],
        )

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        from PIL import Image

        with Image.open(path) as opened:
            width, height = opened.size
        image = {
            "height": height,
            "width": width,
            "colorspace": 3,
            "encoded_image_string": path.read_bytes(),
        }
        self._summary(step, [{"tag": name, "image": image}])

    def matrix(self, step: int, counts: NDArray[np.int64]) -> None:
        header, rows = self.counts(counts)
        lines = [header, ["---"] * len(header), *rows]
        cells = [[str(x).replace("|", "\\|") for x in line] for line in lines]
        text = "\n".join(f"| {' | '.join(line)} |" for line in cells)
        tensor = {
            "dtype": "DT_STRING",
            "tensor_shape": {"dim": [{"size": 1}]},
            "string_val": [text.encode()],
        }
        metadata = self._plugin("text")
        self._summary(
            step,
            [{"tag": "confusion", "tensor": tensor, "metadata": metadata}],
        )

    def close(self, succeeded: bool) -> None:
        from tensorboard.plugins.hparams import plugin_data_pb2

        end = plugin_data_pb2.SessionEndInfo(
            status="STATUS_SUCCESS" if succeeded else "STATUS_FAILURE",
            end_time_secs=time.time(),
        )
        self._hparams("session_end_info", end)
        self._writer.close()


class WandB(Tracker):
    """Sends a run to Weights & Biases.

    Its environment variables count: `WANDB_MODE=offline`, `WANDB_PROJECT`,
    `WANDB_ENTITY` and others. What it keeps is in `tracking/wandb`.
    """

    name = "wandb"

    def open(self, number: str | None) -> str:
        import wandb

        (self.run.path / FOLDER).mkdir(exist_ok=True)
        number = number or secrets.token_hex(4)
        self._wandb = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=self.run.path.name,
            id=number,
            resume="allow",
            dir=self.run.path / FOLDER,
            config=self.settings,
            settings=wandb.Settings(console="off", reinit="create_new"),
        )
        return number

    def scalars(self, step: int, values: dict[str, float]) -> None:
        self._wandb.log(values, step=step)

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        import wandb

        self._wandb.log({name: wandb.Image(str(path))}, step=step)

    def matrix(self, step: int, counts: NDArray[np.int64]) -> None:
        import wandb

        table = wandb.Table(*self.counts(counts))
        self._wandb.log({"confusion_matrix": table}, step=step)

    def close(self, succeeded: bool) -> None:
        self._wandb.finish(exit_code=int(not succeeded))


class MLflow(Tracker):
    """Sends a run to MLflow.

    Its environment variables count: `MLFLOW_TRACKING_URI`, without which it
    writes to `mlflow.db` and `mlruns` in the working folder, and
    `MLFLOW_EXPERIMENT_NAME`. A class whose name MLflow does not take, such as
    one with a comma, stands as its id.
    """

    name = "mlflow"

    def open(self, number: str | None) -> str:
        from mlflow import MlflowClient

        self._client = MlflowClient()
        self._sent = 0
        if number is not None:
            self._number = number
            before = self._client.get_metric_history(number, "loss")
            self._sent = max((metric.step for metric in before), default=0)
            self._client.update_run(number, "RUNNING")
            return number
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            place = self._client.create_experiment(name)
        else:
            place = experiment.experiment_id
        begun = self._client.create_run(place, run_name=self.run.path.name)
        self._number = begun.info.run_id
        for key, value in self.settings.items():
            self._client.log_param(self._number, key, value)
        return self._number

    def _key(self, row: dict[str, Any]) -> str:
        name = row["name"]
        return name if re.fullmatch(r"\w[\w .-]*", name) else str(row["id"])

    def scalars(self, step: int, values: dict[str, float]) -> None:
        from mlflow.entities import Metric

        # A killed run may have sent the epoch that is repeated.
        if step <= self._sent and "loss" in values:
            return
        now = int(1000 * time.time())
        metrics = [Metric(key, x, now, step) for key, x in values.items()]
        for begin in range(0, len(metrics), 1000):  # Its limit.
            part = metrics[begin : begin + 1000]
            self._client.log_batch(self._number, metrics=part)

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        place = name if path.parent.name == name else None
        self._client.log_artifact(self._number, str(path), place)

    def matrix(self, step: int, counts: NDArray[np.int64]) -> None:
        header, rows = self.counts(counts)
        found = {"columns": header, "data": rows}
        self._client.log_dict(self._number, found, "confusion.json")

    def close(self, succeeded: bool) -> None:
        status = "FINISHED" if succeeded else "FAILED"
        self._client.set_terminated(self._number, status)


_KINDS: dict[str, type[Tracker]] = {
    kind.name: kind for kind in (TensorBoard, WandB, MLflow)
}


def check_packages(names: Sequence[str]) -> None:
    """Imports the packages of trackers; an `ImportError` names the extra."""
    for name in names:
        if name in _KINDS:
            optional(name, "track", "`track`")


@contextlib.contextmanager
def trackers(
    names: Sequence[str], run: RunFolder, begin: int = 0
) -> Iterator[list[Tracker]]:
    """Begins a run with each tracker, or goes on with it.

    An error inside ends it there as one that failed.

    Args:
        names: strs of `keras_seg.runs.settings.TRACKERS`; `"csv"` is what
            every run writes, and needs no callback.
        run: `keras_seg.runs.RunFolder`.
        begin: int, the number of epochs that are finished. Defaults to 0.

    Yields:
        List of `Tracker`s, to be given to `fit` behind `SamplePanels`. Their
        `finish` has still to be called.

    Raises:
        ImportError: If a package is missing.
        RunError: If a tracker refuses the run.

    Example:

    ```python
    with trackers(("tensorboard", "wandb"), run) as tracking:
        model.fit(batches, callbacks=[*tracking, *run_callbacks(run)])
    ```
    """
    check_packages(names)
    found: list[Tracker] = []
    try:
        for name in names:
            if name in _KINDS:
                found.append(_KINDS[name](run, begin))
        yield found
    except BaseException:
        for tracker in found:
            tracker.fail()
        raise
