"""The folder of a run: what it was trained with, and what came of it."""

import csv
import hashlib
import json
import os
import pathlib
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from typing import Any
from typing import Self

import keras
from numpy.typing import NDArray

import keras_seg
from keras_seg.atomic import remove_leftovers
from keras_seg.data import ClassTable
from keras_seg.data.text import read_text
from keras_seg.environment import devices
from keras_seg.environment import version_of
from keras_seg.hub.names import is_name
from keras_seg.layers.metadata import note
from keras_seg.runs.files import RunError
from keras_seg.runs.files import new_folder
from keras_seg.runs.files import write_table
from keras_seg.runs.files import writing
from keras_seg.runs.model_file import load_model
from keras_seg.runs.model_file import without_optimizer
from keras_seg.runs.settings import Settings

__all__ = ["RunFolder"]

# What a run folder is known by.
_MARKS = ("environment.txt", "classes.csv")


class RunFolder:
    """A folder with one training run.

    | file | what it holds |
    |---|---|
    | `settings.json` | `Settings`, with what `None` became |
    | `data.json` | where the data are, how many, their fingerprint |
    | `classes.csv` | names, colors and void ids of the classes |
    | `environment.txt` | versions, backend, devices, command line |
    | `history.csv` | loss and metrics, a line an epoch |
    | `class_history.csv` | validation scores of each class and epoch |
    | `curves.png` | loss and mean IoU, drawn |
    | `samples/` | image, truth, prediction, error: a picture an epoch |
    | `tracking/` | event files, and what other trackers keep |
    | `best.keras` | the model of the largest validation mean IoU |
    | `model.keras` | the model after the last epoch |
    | `state.npz` | what `resume` goes on from |
    | `log.txt` | what happened when |
    | `per_class_iou.csv` | the scores of each class, at the end |
    | `confusion.png` | which class was taken for which, at the end |
    | `temperature.json` | what logits are divided by for probabilities |
    | `README.md` | the model card; a run that has one is finished |

    Every file is written in a hidden folder first, synced, and then moved,
    so that it is whole whenever it is there.

    Args:
        path: path of the folder.
        settings: `Settings`, or `None` for a model built by hand.
        class_table: `keras_seg.data.ClassTable`.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        settings: Settings | None,
        class_table: ClassTable,
    ):
        self.path = pathlib.Path(path)
        self.settings = settings
        self.class_table = class_table

    @staticmethod
    def check_free(path: str | os.PathLike) -> None:
        """Refuses a path at which something is already.

        Raises:
            RunError: if it is a file, or a folder that is not empty.
        """
        path = pathlib.Path(path)
        if path.exists() and not path.is_dir():
            raise RunError(
                f"{path} is a file; a run needs a folder of its own. "
                "Fix: choose another folder."
            )
        if path.exists() and any(path.iterdir()):
            go_on = ""
            if all((path / name).is_file() for name in _MARKS):
                go_on = f" go on with keras-seg train --resume {path},"
            raise RunError(
                f"{path} is not empty; a run never overwrites what is there. "
                f"Fix: choose another folder,{go_on} or remove this one."
            )

    @classmethod
    def create(
        cls,
        path: str | os.PathLike,
        settings: Settings | None,
        class_table: ClassTable,
        data: dict[str, Any] | None = None,
    ) -> Self:
        """Makes the folder, and writes what is known before the first step.

        It appears with these files in it, or not at all.

        Args:
            path: str or path; must not exist, or be an empty folder.
            settings: `Settings`, or `None` for a model built by hand.
            class_table: `keras_seg.data.ClassTable`.
            data: optional dictionary, for `data.json`.

        Returns:
            `RunFolder`.

        Raises:
            RunError: if something is there already, or the disk is full.
        """
        cls.check_free(path)
        settings = settings and settings.resolved()
        with new_folder(path) as hidden:
            run = cls(hidden, settings, class_table)
            if settings is not None:
                run.write_text("settings.json", settings.to_json())
            if data is not None:
                run.write_text("data.json", json.dumps(data, indent=2) + "\n")
            run.write_text("environment.txt", _environment())
            with writing(hidden / "classes.csv") as temporary:
                class_table.write(temporary)
        return cls(path, settings, class_table)

    @classmethod
    def open(cls, path: str | os.PathLike) -> Self:
        """Opens the folder of a run.

        What killed processes were about to write there is removed.

        Args:
            path: str or path; or `"hf://user/name"`, a run on the Hub, see
                `keras_seg.hub.pull`, without its `state.npz`.

        Returns:
            `RunFolder`.

        Raises:
            RunError: if it is not one, or its settings can't be read.
            DataError: if its class table is malformed.
            OSError: if a run on the Hub cannot be pulled.
        """
        if is_name(path):
            from keras_seg.hub.transfer import pull

            path = pull(os.fspath(path), ignore_patterns="state.npz")
        path = pathlib.Path(path)
        fix = "Fix: pass the folder that keras-seg train wrote (--out)."
        if not path.is_dir():
            found = "is not a folder" if path.exists() else "does not exist"
            raise RunError(f"{path} {found}; a run folder is expected. {fix}")
        missing = [name for name in _MARKS if not (path / name).is_file()]
        if missing:
            raise RunError(
                f"{path} is not a run folder: it has no "
                f"{' and no '.join(missing)}. {fix}"
            )
        for folder in (path, path / "samples", path / "tracking"):
            remove_leftovers(folder)
        run = cls(path, None, ClassTable.read(path / "classes.csv"))
        run.settings = run._read("settings.json", Settings.from_json)
        return run

    @property
    def is_finished(self) -> bool:
        """Whether all epochs were trained and all files are written."""
        return (self.path / "README.md").is_file()

    @property
    def data(self) -> dict[str, Any] | None:
        """What `data.json` holds, a dictionary, or `None`."""
        return self._read("data.json", _parse_object)

    def model_path(self, best: bool = True) -> pathlib.Path:
        """The file of the model: `best.keras` if asked for and there."""
        if best and (self.path / "best.keras").is_file():
            return self.path / "best.keras"
        return self.path / "model.keras"

    def load_model(self, best: bool = True) -> keras.Model:
        """Loads the model, without code that might be hidden in the file.

        Args:
            best: bool, the model of the largest validation mean IoU, rather
                than that of the last epoch. A run without validation data
                has the last alone.

        Returns:
            A `keras.Model`, not compiled.

        Raises:
            RunError: if the file is missing, incomplete, or not of this run.
        """
        path = self.model_path(best)
        if not path.is_file():
            instead = self.path / "best.keras"
            raise RunError(
                f"{path} does not exist. Fix: load the model with best=True."
                if instead.is_file()
                else f"{self.path} has no model: neither best.keras nor "
                "model.keras; its first epoch has not ended. Fix: go on with "
                f"keras-seg train --resume {self.path}."
            )
        model = load_model(path, len(self.class_table))
        temperature = self.temperature(best)
        if temperature is not None:
            note(model, temperature=temperature)
        return model

    def temperature(self, best: bool = True) -> float | None:
        """The temperature kept for the model as it is now, or `None`."""
        path = self.model_path(best)
        known = self._read("temperature.json", _parse_object) or {}
        found = known.get(path.name, {})
        if not path.is_file() or found.get("sha256") != _digest(path):
            return None
        return float(found["temperature"])

    def keep_temperature(self, temperature: float, best: bool = True) -> None:
        """Keeps the temperature of a model, for `load_model`.

        Args:
            temperature: float, see `keras_seg.inference.set_temperature`.
            best: bool, of which model, see `load_model`.
        """
        path = self.model_path(best)
        known = self._read("temperature.json", _parse_object) or {}
        known[path.name] = {
            "temperature": temperature,
            "sha256": _digest(path),
        }
        self.write_text("temperature.json", json.dumps(known, indent=2) + "\n")

    def save_model(self, model: keras.Model, name: str) -> None:
        """Saves a model as `name`, without the state of its optimizer."""
        with writing(self.path / name) as temporary:
            without_optimizer(model).save(temporary)

    def write_table(
        self, name: str, rows: Sequence[dict[str, Any]]
    ) -> pathlib.Path:
        """Writes rows, dictionaries with the same keys, as a CSV file.

        Returns:
            The path of the file.
        """
        write_table(self.path / name, rows)
        return self.path / name

    def scores(self) -> list[dict[str, Any]]:
        """The rows of `per_class_iou.csv`, see `Evaluation.rows`.

        Returns:
            List of dictionaries.

        Raises:
            RunError: if there is none, or it is damaged.
        """
        rows = self._read("per_class_iou.csv", _parse_scores)
        if rows is None:
            raise RunError(
                f"{self.path} has no per_class_iou.csv; the run is not "
                f"finished. Fix: keras-seg train --resume {self.path}."
            )
        return rows

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file; bytes of a path that are no text, as `\\udce9`.

        JSON reads that back as it was.
        """
        with writing(self.path / name) as temporary:
            temporary.write_text(text, "utf-8", "backslashreplace")

    def write_picture(self, name: str, picture: NDArray) -> None:
        """Writes an RGB array as a picture; `name` may have a folder."""
        from keras_seg.visualization import save_image

        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        with writing(path) as temporary:
            save_image(temporary, picture)

    def log(self, text: str) -> None:
        """Adds a line, with the time, to `log.txt`."""
        path = self.path / "log.txt"
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        self.write_text("log.txt", f"{before}{now}  {text}\n")

    def _read(self, name, parse):
        path = self.path / name
        if not path.is_file():
            return None
        try:
            return parse(read_text(path))
        except (ValueError, OSError, RecursionError, csv.Error) as error:
            raise RunError(
                f"{path} cannot be read: {error} "
                "Fix: correct the file, or train again."
            ) from error


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse_object(text):
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"It is no JSON object, but {value!r:.40}.")
    return value


def _parse_scores(text):
    kinds = {
        "id": int,
        "name": str,
        "iou": float,
        "accuracy": float,
        "pixels": int,
    }
    rows = list(csv.DictReader(text.splitlines()))
    for number, row in enumerate(rows, start=2):
        if None in row.values() or set(row) != set(kinds):
            raise ValueError(f"Line {number} has not {', '.join(kinds)}.")
    return [{name: kinds[name](row[name]) for name in kinds} for row in rows]


def _environment():
    """Versions, backend, machine, devices and command, a line each."""
    backend = keras.config.backend()
    lines = [("keras_seg", keras_seg.__version__), ("backend", backend)]
    for package in ("keras", backend, "numpy", "pillow"):
        lines.append((package, version_of(package) or "of unknown version"))
    lines.append(("python", platform.python_version()))
    lines.append(("system", platform.platform()))
    lines.append(("devices", ", ".join(devices())))
    lines.append(("precision", keras.config.dtype_policy().name))
    lines.append(("command", " ".join(map(shlex.quote, sys.argv))))
    return "".join(f"{name} {value}\n" for name, value in lines)
