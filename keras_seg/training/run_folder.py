"""The folder of a run: what it was trained with, and what came of it."""

import csv
import os
import pathlib
import zipfile

import keras

from keras_seg.data import ClassTable
from keras_seg.training.atomic import replacing
from keras_seg.training.environment import environment
from keras_seg.training.settings import Settings

__all__ = ["RunError", "RunFolder"]


class RunError(ValueError):
    """A run folder, or a run, is not as it must be; the message says why."""


class RunFolder:
    """A folder with one training run.

    | file | what it holds |
    |---|---|
    | `settings.json` | `Settings` |
    | `classes.csv` | names, colours and void ids of the classes |
    | `environment.txt` | versions, backend, devices |
    | `history.csv` | loss and metrics, a line an epoch |
    | `model.keras` | the model after the last epoch |
    | `best.keras` | that of the largest validation mean IoU |
    | `per_class_iou.csv` | the scores of each class |

    Every file is written under another name first and then moved, so that
    it is whole whenever it is there.

    Args:
        path: path of the folder.
        settings: `Settings`.
        classes: `keras_seg.data.ClassTable`.
    """

    def __init__(self, path, settings, classes):
        self.path = pathlib.Path(path)
        self.settings = settings
        self.classes = classes

    @staticmethod
    def check_free(path):
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
            raise RunError(
                f"{path} is not empty; a run never overwrites what is there. "
                "Fix: choose another folder, or remove this one."
            )

    @classmethod
    def create(cls, path, settings, classes):
        """Makes the folder, and writes what is known before the first step.

        Args:
            path: str or path; must not exist, or be an empty folder.
            settings: `Settings`.
            classes: `keras_seg.data.ClassTable`.

        Returns:
            `RunFolder`.

        Raises:
            RunError: if something is there already.
        """
        cls.check_free(path)
        run = cls(path, settings, classes)
        run.path.mkdir(parents=True, exist_ok=True)
        run._write_text("settings.json", settings.to_json())
        run._write_text("environment.txt", environment())
        with replacing(run.path / "classes.csv") as temporary:
            classes.write(temporary)
        return run

    @classmethod
    def open(cls, path):
        """Opens the folder of a run that has a model.

        Args:
            path: str or path.

        Returns:
            `RunFolder`.

        Raises:
            RunError: if it is not one.
            DataError: if its class table is malformed.
        """
        path = pathlib.Path(path)
        fix = "Fix: pass the folder that keras-seg train wrote (--out)."
        if not path.is_dir():
            found = "is not a folder" if path.exists() else "does not exist"
            raise RunError(f"{path} {found}; a run folder is expected. {fix}")
        needed = ("settings.json", "classes.csv")
        missing = [name for name in needed if not (path / name).is_file()]
        if missing:
            raise RunError(
                f"{path} is not a run folder: it has no "
                f"{' and no '.join(missing)}. {fix}"
            )
        if not any((path / n).is_file() for n in ("best.keras", "model.keras")):
            raise RunError(
                f"{path} has no model: neither best.keras nor model.keras; "
                "its training ended before the first epoch did. "
                "Fix: train again, into another folder."
            )
        try:
            text = (path / "settings.json").read_text(encoding="utf-8")
            settings = Settings.from_json(text)
        except (ValueError, OSError) as error:
            raise RunError(
                f"{path / 'settings.json'} cannot be read: {error} "
                "Fix: correct the file, or train again."
            ) from error
        return cls(path, settings, ClassTable.read(path / "classes.csv"))

    def model_path(self, best=True):
        """The file of the model: `best.keras` if asked for and there."""
        if best and (self.path / "best.keras").is_file():
            return self.path / "best.keras"
        return self.path / "model.keras"

    def load_model(self, best=True):
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
        # The layers of saved models register themselves when imported.
        import keras_seg.layers  # noqa: F401

        path = self.model_path(best)
        if not path.is_file():
            raise RunError(
                f"{path} does not exist. Fix: load the model with best=True."
            )
        if not zipfile.is_zipfile(path):
            raise RunError(
                f"{path} is not a Keras model, or is incomplete "
                f"({os.path.getsize(path)} bytes). Fix: copy it again from "
                "its source, or train again."
            )
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        classes = model.output_shape[-1]
        if classes != len(self.classes):
            raise RunError(
                f"{path} has {classes} classes, and classes.csv beside it "
                f"{len(self.classes)}. Fix: put back the table it was "
                "trained with."
            )
        return model

    def save_model(self, model, name):
        """Saves a model as `name` in the folder."""
        with replacing(self.path / name) as temporary:
            model.save(temporary)

    def write_table(self, name, rows):
        """Writes rows, dictionaries with the same keys, as a CSV file.

        Returns:
            The path of the file.
        """
        with (
            replacing(self.path / name) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        return self.path / name

    def _write_text(self, name, text):
        with replacing(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
