"""What `keras-seg train` prints after every epoch, beside Keras's own bar."""

import json
import math
import time

import keras

from keras_seg.cli import console
from keras_seg.inference import Evaluation
from keras_seg.training.watch import validation_matrix

__all__ = ["ClassLines", "JSONLines", "json_line"]


class ClassLines(keras.callbacks.Callback):
    """Prints the IoU of each class on the validation images.

    Args:
        classes: `keras_seg.data.ClassTable`.
        most: int, how many classes; those with the lowest IoU.
    """

    def __init__(self, classes, most=8):
        super().__init__()
        self.classes = classes
        self.most = most
        self.text = ""

    def on_epoch_begin(self, epoch, logs=None):
        # Keras's bar has the line until its own end of the epoch, which
        # comes after this callback's.
        self.on_train_end()

    def on_train_end(self, logs=None):
        if self.text:
            console.say(self.text)
        self.text = ""

    def on_epoch_end(self, epoch, logs=None):
        rows = _rows(self.model, logs, self.classes)
        known = [row for row in rows if not math.isnan(row["iou"])]
        if not known:
            return
        lowest = sorted(known, key=lambda row: row["iou"])[: self.most]
        shown = [row for row in known if row in lowest]
        text = ", ".join(f"{row['name']} {row['iou']:.3f}" for row in shown)
        which = "" if len(shown) == len(known) else ", the lowest"
        self.text = f"IoU{which}: {text}"


class JSONLines(keras.callbacks.Callback):
    """Prints a JSON object on a line after every epoch.

    Args:
        classes: `keras_seg.data.ClassTable`.
    """

    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        rows = _rows(self.model, logs, self.classes)
        line = {"event": "epoch", "epoch": epoch + 1, **(logs or {})}
        line["epochs"] = self.params["epochs"]
        line["seconds"] = round(time.monotonic() - self.begin, 3)
        if rows:
            line["class_iou"] = {row["name"]: row["iou"] for row in rows}
        json_line(line)


def json_line(value):
    """Prints a dictionary as one line of JSON; NaN becomes null."""
    print(json.dumps(_plain(value)), flush=True)


def _rows(model, logs, classes):
    matrix = validation_matrix(model, logs)
    return [] if matrix is None else Evaluation(matrix, classes, 0).rows()


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    return float(value) if math.isfinite(value) else None
