"""A search for good settings, on Optuna."""

import contextlib
import dataclasses
import gc
import json
import logging
import math
import os
import pathlib
import shutil
import statistics
import time
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import keras

from keras_seg.data import ClassTable
from keras_seg.data.folder import PairSequence
from keras_seg.lazy import optional
from keras_seg.runs.files import RunError
from keras_seg.runs.files import lock
from keras_seg.runs.files import write_table
from keras_seg.runs.files import writing
from keras_seg.runs.settings import Settings
from keras_seg.runs.source import DataSource
from keras_seg.training.setup import image_sizes
from keras_seg.training.suggest import TooSlow
from keras_seg.training.suggest import fit_epochs
from keras_seg.training.train import train
from keras_seg.words import did_you_mean

__all__ = ["default_search", "tune"]

TRIALS = 20
LOSSES = ("cross_entropy", "cross_entropy+dice", "cross_entropy+lovasz")
BACKBONES = ("mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0")
# Trials report ten times, so that those of different lengths can be compared;
# from the third time on, and with four finished, the worse half is pruned.
REPORTS = 10
FIRST_PRUNED, FINISHED = 3, 4


def default_search(settings: Settings, data: PairSequence) -> dict[str, Any]:
    """What is searched where nothing else is asked for.

    The learning rate from 1e-4 to 1e-2, three losses, the size of the images
    and three quarters of it, and, where the weights are those of ImageNet by
    name, three backbones.

    Args:
        settings: `Settings` for everything else.
        data: see `keras_seg.training.train`.

    Returns:
        Dictionary from names of settings to `(low, high)` or lists.

    Example:

    >>> import numpy as np
    >>> pairs = [(np.zeros((480, 640, 3)), np.zeros((480, 640)))]
    >>> default_search(Settings(weights=None), pairs)["size"]
    [640, 480]
    """
    found: dict[str, Any] = {
        "learning_rate": (1e-4, 1e-2),
        "loss": list(LOSSES),
    }
    longest = int(statistics.median(map(max, image_sizes(data))))
    longest = min(settings.size or longest, longest)
    if longest >= 128:
        found["size"] = [longest, longest * 3 // 4]
    if settings.weights == "imagenet" and settings.start_from is None:
        found["backbone"] = list(BACKBONES)
    return found


def tune(
    settings: Settings,
    data: PairSequence,
    validation: PairSequence,
    out: str | os.PathLike,
    search: Mapping[str, Any] | None = None,
    *,
    trials: int = TRIALS,
    seconds: float | None = None,
    class_table: ClassTable | None = None,
    source: DataSource | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Trains with many settings, and keeps the best run.

    Settings are proposed by Optuna's TPE sampler. A trial that is below the
    median of those before it at the same tenth of its training is ended, one
    of which no epoch fits into its share of the time is not begun. Each
    trial is `keras_seg.training.train`; its value is the best mean IoU of the
    validation images, which is a little too good: test the best run on
    others.

    | file | what it holds |
    |---|---|
    | `trials.csv` | a line a trial: its settings, value, epochs and seconds |
    | `best/` | the run folder of the best trial |
    | `study.log` | Optuna's journal, from which the search goes on |
    | `tune.json` | the settings that are not searched, and what is searched |

    Called again with the same folder, settings and data, it goes on; a trial
    that was killed is begun again.

    Args:
        settings: `Settings` of what is not searched; its seed is the
            sampler's, too.
        data: see `keras_seg.training.train`.
        validation: the same; it decides.
        out: str or path of the folder to write.
        search: dict from names of `Settings` to `(low, high)`, of floats or
            ints, or a list of values. Defaults to `default_search`.
        trials: int, finished and pruned trials in all. Defaults to 20.
        seconds: float, of the whole search; every trial has an equal share,
            to which its epochs are fitted. Defaults to None: the epochs of
            the settings.
        class_table: `keras_seg.data.ClassTable`. Defaults to that of `data`.
        source: optional `DataSource`, see `keras_seg.training.train`.
        say: is called with a line after each trial.

    Returns:
        The lines of `trials.csv`, the best first.

    Raises:
        ValueError: If there is no such setting, or a value can't be.
        RunError: If `out` holds something else, or a search of other
            settings.
        ImportError: If Optuna is not installed.

    Example:

    ```python
    rows = training.tune(
        training.Settings(epochs=20),
        folder,
        held_out,
        "tuned",
        {"learning_rate": (1e-4, 1e-2), "loss": ["cross_entropy", "ohem"]},
        trials=10,
    )
    ```
    """
    optuna = optional("optuna", "tune", "`tune`")
    begin = time.monotonic()
    out = pathlib.Path(out)
    search = dict(search or default_search(settings, data))
    _check(settings, search)
    share = None if seconds is None else seconds / trials
    _open(out, settings, search, share)
    with lock(out / "tune.json"), _quiet(optuna):
        study = _study(optuna, out, settings.seed)
        _clear_killed(optuna, study, out)
        while len(_done(study)) < trials:
            if seconds is not None and time.monotonic() - begin > seconds:
                say(f"{seconds:.0f} s are over.")
                break
            trial = study.ask()
            chosen = _suggested(trial, search)
            folder = out / f"trial_{trial.number:03d}"
            watch = _Watch(optuna, trial)
            start = time.monotonic()
            state = optuna.trial.TrialState.COMPLETE
            try:
                proposed = dataclasses.replace(settings, **chosen)
                if share is not None:
                    proposed = fit_epochs(
                        proposed,
                        data,
                        validation,
                        seconds=share,
                        class_table=class_table,
                    )
                watch.epochs = proposed.epochs
                train(
                    proposed,
                    data,
                    validation,
                    folder,
                    class_table=class_table,
                    source=source,
                    callbacks=[watch],
                    verbose=0,
                )
            except optuna.TrialPruned:
                state = optuna.trial.TrialState.PRUNED
            except RunError:
                if not watch.diverged:  # Such as a full disk.
                    raise
                state = optuna.trial.TrialState.PRUNED
            except TooSlow as error:
                say(f"Trial {trial.number}: {error}")
                state = optuna.trial.TrialState.PRUNED
            trial.set_user_attr("epochs", len(watch.values))
            trial.set_user_attr("seconds", round(time.monotonic() - start, 1))
            trial.set_user_attr("best", max(watch.values, default=0.0))
            if state == optuna.trial.TrialState.COMPLETE:
                # Where it is found if this is killed before it is moved.
                folder.rename(_finished(out, trial))
                study.tell(trial, max(watch.values))
            else:
                study.tell(trial, state=state)
            _keep_best(study, out)
            rows = _write_table(study, out)
            say(_line(rows, trial.number))
            # `keras.utils.clear_session` would also reset the dtype policy.
            gc.collect()
        return _write_table(study, out)


def _check(settings: Settings, search: Mapping[str, Any]) -> None:
    """Refuses what is no setting, and values that can't be."""
    names = [field.name for field in dataclasses.fields(Settings)]
    for name, values in search.items():
        if name not in names:
            raise ValueError(
                f"`search` has {name!r}, which is no setting."
                f"{did_you_mean(name, names)} Settings are: "
                f"{', '.join(names)}."
            )
        if not values or (isinstance(values, tuple) and len(values) != 2):
            raise ValueError(
                "`search` has (low, high) or a list of values for each "
                f"setting. Received: {name}={values!r}"
            )
        for value in values:
            dataclasses.replace(settings, **{name: value})


def _open(
    out: pathlib.Path, settings: Settings, search: dict, share: float | None
) -> None:
    """Begins a folder, or checks that it holds the same search."""
    facts = {
        "settings": dataclasses.asdict(settings.resolved()),
        "search": search,
        "seconds": share,
    }
    text = json.dumps(facts, indent=2) + "\n"
    file = out / "tune.json"
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        if before != json.loads(text):
            raise RunError(
                f"{out} holds a search with other settings (tune.json). Fix: "
                "the same settings and time, or another folder."
            )
    elif out.exists() and any(out.iterdir()):
        raise RunError(
            f"{out} is not empty, and holds no search. Fix: choose another "
            "folder."
        )
    else:
        out.mkdir(parents=True, exist_ok=True)
        with writing(file) as temporary:
            temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Keeps what Optuna says of each trial, and of its journal, to itself."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", optuna.exceptions.ExperimentalWarning
            )
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _study(optuna: Any, out: pathlib.Path, seed: int) -> Any:
    backend = optuna.storages.journal.JournalFileBackend(str(out / "study.log"))
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(backend),
        study_name="keras-seg",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=FINISHED, n_warmup_steps=FIRST_PRUNED
        ),
    )
    # A sampler begins anew when a search goes on: not with the same draws.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    return study


def _done(study: Any) -> list[Any]:
    return [x for x in study.trials if x.state.name in ("COMPLETE", "PRUNED")]


def _clear_killed(optuna: Any, study: Any, out: pathlib.Path) -> None:
    """Begins trials again that were killed, and removes their folders."""
    for trial in study.trials:
        if trial.state.name == "RUNNING":
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params)
    _keep_best(study, out)


def _suggested(trial: Any, search: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, values in search.items():
        if isinstance(values, tuple):
            low, high = values
            whole = isinstance(low, int) and isinstance(high, int)
            suggest = trial.suggest_int if whole else trial.suggest_float
            found[name] = suggest(name, low, high, log=0 < 10 * low <= high)
        else:
            found[name] = trial.suggest_categorical(name, values)
    return found


class _Watch(keras.callbacks.Callback):
    """Reports the best value so far, and ends a trial that is below others."""

    def __init__(self, optuna: Any, trial: Any):
        super().__init__()
        self.optuna = optuna
        self.trial = trial
        self.epochs = 1
        self.values: list[float] = []
        self.reported = 0
        self.diverged = False

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        logs = logs or {}
        # An epoch that ended early, on a NaN, has no validation.
        self.diverged = not math.isfinite(logs.get("loss", 0.0))
        self.values.append(float(logs.get("val_mean_iou", 0.0)))
        tenth = REPORTS * (epoch + 1) // self.epochs
        for step in range(self.reported + 1, tenth + 1):
            self.trial.report(max(self.values), step)
        self.reported = tenth
        if tenth < REPORTS and self.trial.should_prune():
            raise self.optuna.TrialPruned


def _finished(out: pathlib.Path, trial: Any) -> pathlib.Path:
    return out / f"finished_{trial.number:03d}"


def _keep_best(study: Any, out: pathlib.Path) -> None:
    """Moves the run of the best trial to its place, and removes others."""
    if any(trial.state.name == "COMPLETE" for trial in study.trials):
        folder = _finished(out, study.best_trial)
        if folder.is_dir():
            shutil.rmtree(out / "best", ignore_errors=True)
            folder.rename(out / "best")
    for kind in ("trial_*", "finished_*"):
        for folder in out.glob(kind):
            shutil.rmtree(folder, ignore_errors=True)


def _write_table(study: Any, out: pathlib.Path) -> list[dict[str, Any]]:
    trials = sorted(
        _done(study),
        key=lambda x: (x.state.name, -x.user_attrs["best"]),
    )
    rows = [
        {
            "trial": trial.number,
            "state": "pruned" if trial.state.name == "PRUNED" else "finished",
            "mean_iou": round(trial.user_attrs["best"], 4),
            "epochs": trial.user_attrs["epochs"],
            "seconds": trial.user_attrs["seconds"],
            **trial.params,
        }
        for trial in trials
    ]
    if rows:
        write_table(out / "trials.csv", rows)
    return rows


def _line(rows: list[dict[str, Any]], number: int) -> str:
    row = next(row for row in rows if row["trial"] == number)
    facts = ("trial", "state", "mean_iou", "epochs", "seconds")
    chosen = ", ".join(
        f"{name} {value:.2g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.items()
        if name not in facts
    )
    best = rows[0]["mean_iou"]
    return (
        f"Trial {number}, {row['state']}: mean IoU {row['mean_iou']:.3f} "
        f"(best {best:.3f}); {chosen}"
    )
