"""What `keras-seg train` prints while it trains: text or JSON."""

import contextlib
import json
import math
import time
from collections.abc import Iterator
from typing import Any

import keras

from keras_seg.cli import console
from keras_seg.data import ClassTable
from keras_seg.inference import Evaluation
from keras_seg.training.save_run import validation_matrix

__all__ = ["ClassLines", "JSONLines", "Reporter", "print_json"]


class Reporter:
    """Prints text, JSON only, or nothing on the standard output."""

    def __init__(self, json_lines: bool, quiet: bool):
        self.json = json_lines
        self.text = not (json_lines or quiet)

    def say(self, text: str) -> None:
        if self.text:
            console.say(text)

    def fit_options(self, class_table: ClassTable) -> dict[str, Any]:
        """Arguments of `train` and `resume` for the output of each epoch."""
        if self.json:
            return {"callbacks": [JSONLines(class_table)], "verbose": 0}
        if self.text:
            verbose = console.fit_verbosity()
            return {"callbacks": [ClassLines(class_table)], "verbose": verbose}
        return {"verbose": 0}

    @contextlib.contextmanager
    def over_keras(self) -> Iterator[None]:
        """Keeps Keras's line about a NaN out of JSON and of a quiet output."""
        spoke = keras.config.is_interactive_logging_enabled()
        if not self.text:
            keras.config.disable_interactive_logging()
        try:
            yield
        finally:
            if spoke:
                keras.config.enable_interactive_logging()


class ClassLines(keras.callbacks.Callback):
    """Prints the lowest IoUs of classes on the validation images."""

    def __init__(self, class_table: ClassTable, most: int = 8):
        super().__init__()
        self.class_table = class_table
        self.most = most
        self.text = ""

    def on_epoch_begin(self, epoch, logs=None):
        # Not at the end of an epoch, where Keras's bar is still on the line.
        self.on_train_end()

    def on_train_end(self, logs=None):
        if self.text:
            console.say(self.text)
        self.text = ""

    def on_epoch_end(self, epoch, logs=None):
        rows = _rows(self.model, logs, self.class_table)
        known = [row for row in rows if not math.isnan(row["iou"])]
        if not known:
            return
        lowest = sorted(known, key=lambda row: row["iou"])[: self.most]
        shown = [row for row in known if row in lowest]
        text = ", ".join(f"{row['name']} {row['iou']:.3f}" for row in shown)
        which = "" if len(shown) == len(known) else ", the lowest"
        self.text = f"IoU{which}: {text}"


class JSONLines(keras.callbacks.Callback):
    """Prints a JSON object on a line after every epoch."""

    def __init__(self, class_table: ClassTable):
        super().__init__()
        self.class_table = class_table

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        rows = _rows(self.model, logs, self.class_table)
        line = {"event": "epoch", "epoch": epoch + 1, **(logs or {})}
        line["epochs"] = self.params["epochs"]
        line["seconds"] = round(time.monotonic() - self.begin, 3)
        if rows:
            line["class_iou"] = {row["name"]: row["iou"] for row in rows}
        print_json(line)


def print_json(value: dict[str, Any]) -> None:
    """Prints a dictionary as one line of JSON; NaN becomes null."""
    print(json.dumps(_plain(value)), flush=True)


def _rows(
    model: keras.Model, logs: dict | None, class_table: ClassTable
) -> list[dict[str, Any]]:
    """The scores of each class at the end of an epoch, empty if not known."""
    matrix = validation_matrix(model, logs)
    return [] if matrix is None else Evaluation(matrix, class_table, 0).rows()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    return float(value) if math.isfinite(value) else None
