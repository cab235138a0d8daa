"""Runs in MLflow."""

import os
import pathlib
import re
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_seg.training.tracking.tracker import PROJECT
from keras_seg.training.tracking.tracker import Tracker

__all__ = ["MLflow"]


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
