"""Runs in Weights & Biases."""

import os
import pathlib
import secrets

import numpy as np
from numpy.typing import NDArray

from keras_seg.training.tracking.tracker import FOLDER
from keras_seg.training.tracking.tracker import PROJECT
from keras_seg.training.tracking.tracker import Tracker

__all__ = ["WandB"]


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
