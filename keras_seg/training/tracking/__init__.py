"""Runs in TensorBoard, Weights & Biases and MLflow."""

import contextlib
from collections.abc import Iterator
from collections.abc import Sequence

from keras_seg.lazy import optional
from keras_seg.runs.folder import RunFolder
from keras_seg.training.tracking.mlflow import MLflow
from keras_seg.training.tracking.tensorboard import TensorBoard
from keras_seg.training.tracking.tracker import Tracker
from keras_seg.training.tracking.wandb import WandB

__all__ = [
    "MLflow",
    "TensorBoard",
    "Tracker",
    "WandB",
    "check_packages",
    "trackers",
]

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
