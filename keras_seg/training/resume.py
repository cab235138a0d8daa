"""A run that was killed, to its end."""

import dataclasses
import warnings

import keras

from keras_seg.training.errors import RunError
from keras_seg.training.errors import RunWarning
from keras_seg.training.run_folder import RunFolder
from keras_seg.training.setup import compiled_model
from keras_seg.training.setup import training_batches
from keras_seg.training.setup import whole_images
from keras_seg.training.source import recorded_source
from keras_seg.training.source import refuse_changes
from keras_seg.training.train import fit_in_folder

__all__ = ["resume"]


def resume(path, data=None, validation=None, *, callbacks=(), verbose="auto"):
    """Goes on with a run where it stopped, and ends as if it had not.

    It begins after the last epoch that was ended: a batch depends on the
    seed, the epoch and its number alone, and `state.npz` has the weights,
    the optimizer's state and step, the random generators, the history and
    the best value. On one backend and CPU the weights are those of the run
    that was not stopped. What `callbacks` of one's own remember is not kept.

    Args:
        path: str or path of the run folder.
        data: as for `train`; by default what the run was trained on, read
            again from its source.
        validation: the same; read with `data`, if `data` is not given.
        callbacks: `keras.callbacks.Callback`s, further ones.
        verbose: that of `fit`.

    Returns:
        Tuple (model, history), as `train`; the history is that of all
        epochs.

    Raises:
        RunError: if the run is finished or damaged, its data have changed
            or cannot be found, or another process is training it.

    Example:

    ```python
    model, history = training.resume("runs/a")
    ```
    """
    run = RunFolder.open(path)
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
    if data is None:
        data, validation = _read_again(run)
    refuse_changes(known, data, validation, run.path)
    _warn_of_another_backend(run)
    if (run.path / "state.npz").is_file():
        # All weights are in there: no need to load pretrained ones.
        settings = dataclasses.replace(settings, weights=None)
    batches = training_batches(settings, data)
    return fit_in_folder(
        run,
        compiled_model(settings, len(run.classes), data),
        data,
        validation,
        batches,
        whole_images(settings, validation),
        callbacks,
        verbose,
    )


def _read_again(run):
    source = recorded_source(run)
    if source is None:
        raise RunError(
            f"{run.path} was trained on data that were not read from a "
            "folder. Fix: pass them again, resume(path, data, validation)."
        )
    return source.read(check=False)


def _warn_of_another_backend(run):
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
