"""Training on pairs of images and masks, with plain `compile` and `fit`."""

import contextlib
import dataclasses
import math
import os
import warnings
from collections.abc import Sequence
from typing import Any

import keras

from keras_seg.data import Batches
from keras_seg.data import ClassTable
from keras_seg.data.folder import PairSequence
from keras_seg.layers.metadata import note
from keras_seg.runs.files import RunError
from keras_seg.runs.files import RunWarning
from keras_seg.runs.files import lock
from keras_seg.runs.folder import RunFolder
from keras_seg.runs.followed import FollowedRun
from keras_seg.runs.model_file import set_class_table
from keras_seg.runs.recorded import describe
from keras_seg.runs.recorded import file_digests
from keras_seg.runs.recorded import recorded_source
from keras_seg.runs.recorded import refuse_changes
from keras_seg.runs.recorded import refuse_other_files
from keras_seg.runs.settings import Settings
from keras_seg.runs.source import DataSource
from keras_seg.training.callbacks import fit_callbacks
from keras_seg.training.callbacks import run_callbacks
from keras_seg.training.callbacks import warn_of_small_batches
from keras_seg.training.engine import Engine
from keras_seg.training.estimates import check_space
from keras_seg.training.finish import finish
from keras_seg.training.setup import at_size
from keras_seg.training.setup import compiled_model
from keras_seg.training.setup import run_classes
from keras_seg.training.setup import settled
from keras_seg.training.setup import shrunk
from keras_seg.training.setup import training_batches
from keras_seg.training.setup import whole_images
from keras_seg.training.tracking import check_packages
from keras_seg.training.tracking import trackers

__all__ = ["resume", "train"]


def train(
    settings: Settings,
    data: PairSequence,
    validation: PairSequence | None = None,
    out: str | os.PathLike | None = None,
    *,
    class_table: ClassTable | None = None,
    source: DataSource | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
    engine: Engine | None = None,
) -> tuple[keras.Model, keras.callbacks.History]:
    """Trains a model as the settings say.

    The seed sets the initial weights, the order of the images and all
    augmentation: the same settings and data give the same run on one backend
    and CPU. With a run folder, `resume` continues after a crash and ends with
    the same weights.

    Args:
        settings: `Settings`.
        data: `keras_seg.data.Folder`, or any sequence of `(image, mask)`, see
            `keras_seg.data.Batches`; checked before training begins.
        validation: optional, the same; evaluated whole after every epoch.
        out: optional str or path of the run folder to write, see `RunFolder`.
        class_table: `keras_seg.data.ClassTable`. Defaults to that of `data`.
        source: optional `DataSource` of `data` and `validation`, from which
            `resume` reads them again.
        callbacks: further `keras.callbacks.Callback`s. `resume` does not
            restore their state.
        verbose: as for `fit`.
        engine: what `keras_seg.distributed.distribute` returns, for several
            devices. `settings.batch_size` is that of all of them together,
            and a multiple of their number. Defaults to one device.

    Returns:
        Tuple (model, history): the compiled model after the last epoch, and
        what `fit` returned.

    Raises:
        ValueError: If a setting is out of range or the data do not fit it.
            Nothing has been written then.
        RunError: If `out` is not free, the disk is full, or the loss became
            NaN.

    Example:

    >>> from keras_seg.data import synthetic
    >>> from keras_seg.training import Settings
    >>> from keras_seg.training import train
    >>> pairs = list(zip(*synthetic.membranes(2, size=32)))
    >>> settings = Settings(
    ...     model="unet", backbone=None, weights=None, epochs=1, crop=32,
    ...     options={"filters": 4, "depth": 2})
    >>> model, history = train(
    ...     settings, pairs, class_table=synthetic.MEMBRANE_CLASSES, verbose=0)
    >>> sorted(history.history)
    ['loss', 'mean_iou', 'pixel_accuracy']
    """
    class_table = run_classes(data, validation, class_table)
    if settings.patience is not None and validation is None:
        raise ValueError(
            "`patience` counts the epochs without a better model, which are "
            "known from validation images alone. Fix: hold some out, or "
            f"patience=None. Received: patience={settings.patience}"
        )
    engine = engine or Engine()
    check_packages(settings.track)
    if out is not None:
        if engine.process == 0:
            RunFolder.check_free(out)
    elif set(settings.track) != {"csv"}:
        raise ValueError(
            "`track` needs a run folder, which remembers the run that was "
            "begun. Fix: pass `out`. Received: "
            f"track={','.join(settings.track)}"
        )
    elif settings.threshold:
        raise ValueError(
            "`threshold` needs a run folder, whose models get it. Fix: pass "
            "`out`, or use keras_seg.inference.tune_threshold afterwards. "
            f"Received: threshold={settings.threshold!r}"
        )
    built = _build(settings, data, validation, class_table, engine)
    model, batches, held_out = built
    settings = settled(settings, model)
    warn_of_small_batches(model, settings.batch_size)
    if out is not None and engine.process:
        run: RunFolder = FollowedRun(out, settings, class_table)
    elif out is not None:
        check_space(out, model)
        facts = describe(data, validation, source)
        facts["files"] = file_digests(settings)
        run = RunFolder.create(out, settings, class_table, facts)
    if out is not None:
        return _fit_in_folder(
            run, *built, data, validation, callbacks, verbose, engine
        )
    with engine.scope():
        engine.prepare(model)
    history = engine.fit(
        model,
        batches,
        held_out,
        epochs=settings.epochs,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            *callbacks,
            *fit_callbacks(settings),
        ],
        verbose=verbose,
    )
    engine.leave()
    _refuse_divergence(history.history["loss"], settings)
    return at_size(model, settings), history


def resume(
    path: str | os.PathLike,
    data: PairSequence | None = None,
    validation: PairSequence | None = None,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
    engine: Engine | None = None,
) -> tuple[keras.Model, keras.callbacks.History]:
    """Continues a run where it stopped, and ends as if it had not stopped.

    It begins after the last finished epoch. `state.npz` holds the weights, the
    optimizer's state and step, the random generators, the history and the best
    value, and a batch depends on the seed, the epoch and its number alone. On
    one backend and CPU the weights are those of a run that was not stopped.
    The state of `callbacks` is not kept.

    Args:
        path: str or path of the run folder.
        data: as for `train`. Defaults to what the run was trained on, read
            again from its source.
        validation: the same; read with `data` if `data` is not given.
        callbacks: further `keras.callbacks.Callback`s.
        verbose: as for `fit`.
        engine: as for `train`; it may be another one than before.

    Returns:
        Tuple (model, history), as `train`; the history is that of all epochs.

    Raises:
        RunError: If the run is finished or damaged, if its data have changed
            or cannot be found, or if another process is training it.

    Example:

    ```python
    model, history = training.resume("runs/a")
    ```
    """
    engine = engine or Engine()
    run = (FollowedRun if engine.process else RunFolder).open(path)
    settings, known = run.settings, run.data
    if settings is None or known is None:
        raise RunError(
            f"{run.path} was not written by train, which alone knows how its "
            "model is built and compiled. Fix: build and compile it again, "
            "and use SaveRun(run).restore(model, batches)."
        )
    if run.is_finished:
        raise RunError(
            f"{run.path} is finished: {settings.epochs} epochs. "
            "Fix: to train for more, train into a new folder with more "
            "epochs; its learning rate falls with their number."
        )
    check_packages(settings.track)
    if data is None:
        data, validation = _read_again(run)
    refuse_changes(known, data, validation, run.path)
    refuse_other_files(run, settings, known.get("files") or {})
    _warn_of_another_backend(run)
    if (run.path / "state.npz").is_file():
        # All weights are in there: no need to load pretrained ones.
        settings = dataclasses.replace(settings, weights=None)
    built = _build(settings, data, validation, run.class_table, engine)
    return _fit_in_folder(
        run, *built, data, validation, callbacks, verbose, engine
    )


def _build(
    settings: Settings,
    data: PairSequence,
    validation: PairSequence | None,
    class_table: ClassTable,
    engine: Engine,
) -> tuple[keras.Model, Batches, Batches | None]:
    """Returns the compiled model, and the batches of `fit`."""
    if settings.batch_size % engine.devices:
        raise ValueError(
            f"`batch_size` must be a multiple of {engine.devices} devices, "
            "which divide every batch among them. "
            f"Received: batch_size={settings.batch_size}"
        )
    engine.agree(f"{settings} {_names(data)} {_names(validation)}")
    batches = training_batches(settings, data)
    held_out = whole_images(settings, validation)
    with engine.scope():
        model = compiled_model(settings, len(class_table), data)
        model.optimizer.build(model.trainable_variables)
    set_class_table(model, class_table)
    # What predictions need to know of the data.
    for fact in ("bit_depth", "bands"):
        note(model, **{fact: getattr(data, fact, None)})
    return model, batches, held_out


def _names(data: PairSequence | None) -> Any:
    """What the images are called, or how many there are."""
    pairs = getattr(data, "pairs", None)
    if data is None or pairs is not None:
        return pairs and [pair.stem for pair in pairs]
    return len(data)


def _fit_in_folder(
    run: RunFolder,
    model: keras.Model,
    batches: Batches,
    held_out: Batches | None,
    data: PairSequence,
    validation: PairSequence | None,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: str | int,
    engine: Engine,
) -> tuple[keras.Model, keras.callbacks.History]:
    """Trains from the first epoch that `run` does not have, to the end."""
    seen = data if validation is None else validation
    settings: Any = run.settings  # Not None: it was trained by `train`.
    *watchers, saving = run_callbacks(run, shrunk(settings, seen))
    is_first = engine.process == 0
    track = settings.track if is_first else ()
    with contextlib.ExitStack() as stack:
        if is_first:
            stack.enter_context(lock(run.path / "classes.csv"))
        with engine.scope():
            begin = saving.restore(model, batches)
            engine.prepare(model)
        run.log(_first_line(begin, engine))
        tracking = stack.enter_context(trackers(track, run, begin))
        asked = fit_callbacks(settings, saving.rows)
        over = any(getattr(one, "is_over", False) for one in asked)
        if begin < settings.epochs and not over:
            engine.fit(
                model,
                batches,
                held_out,
                epochs=settings.epochs,
                initial_epoch=begin,
                callbacks=[*watchers, *callbacks, *asked, *tracking, saving],
                verbose=verbose if is_first else 0,
            )
            losses = [row["loss"] for row in saving.rows]
            _refuse_divergence(losses, settings, run)
        else:
            # As `fit` does at its end: the averages become the weights.
            model.optimizer.finalize_variable_values(model.trainable_variables)
        engine.leave()
        if not is_first:
            return at_size(model, settings), _history(saving.rows)
        # To overfit on purpose is to validate on what is trained on.
        facts = run.data or {}
        unseen = facts["validation"] not in (None, facts["train"])
        found = finish(run, model, seen, unseen, saving)
        for tracker in tracking:
            tracker.finish(found, len(saving.rows), saving.best_epoch)
    return at_size(model, settings), _history(saving.rows)


def _first_line(begin: int, engine: Engine) -> str:
    line = f"Training, on {keras.config.backend()}, after epoch {begin}"
    if engine.devices == 1:
        return f"{line}."
    return f"{line}, on {engine.devices} devices."


def _history(rows: list[dict[str, Any]]) -> keras.callbacks.History:
    history = keras.callbacks.History()
    history.epoch = [row["epoch"] - 1 for row in rows]
    names = [name for name in rows[0] if name not in ("epoch", "seconds")]
    history.history = {name: [row[name] for row in rows] for name in names}
    return history


def _refuse_divergence(
    losses: Sequence[float], settings: Settings, run: RunFolder | None = None
) -> None:
    if math.isfinite(losses[-1]):
        return
    kept = ""
    if run is not None and run.model_path().is_file():
        kept = f" The models in {run.path} are those from before."
    text = (
        f"The loss became {losses[-1]} in epoch {len(losses)}: training has "
        f"diverged.{kept} Fix: lower the learning rate; if that does not "
        "help, look for images that are not of 0..255, for float16, and at a "
        f"loss of your own. Received: learning_rate={settings.learning_rate}"
    )
    if run is not None:
        run.log(text)
    raise RunError(text)


def _read_again(run: RunFolder) -> Any:
    source = recorded_source(run)
    if source is None:
        raise RunError(
            f"{run.path} was trained on data that were not read from a "
            "folder. Fix: pass them again, resume(path, data, validation)."
        )
    return source.read(check=False)


def _warn_of_another_backend(run: RunFolder) -> None:
    text = (run.path / "environment.txt").read_text(encoding="utf-8")
    facts = dict(line.split(" ", 1) for line in text.splitlines() if line)
    now, before = keras.config.backend(), facts.get("backend")
    if now != before:
        warnings.warn(
            f"{run.path} was begun on {before} and goes on on {now}: the "
            "numbers will differ a little from those of one backend.",
            RunWarning,
            stacklevel=3,
        )
