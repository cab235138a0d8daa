"""Writing a run, and what is said where the disk is full."""

import contextlib
import errno
import os
import pathlib
import shutil

from keras_seg.atomic import WriteError
from keras_seg.atomic import hidden_folder
from keras_seg.atomic import os_sentence
from keras_seg.atomic import replacing
from keras_seg.training.errors import RunError
from keras_seg.training.memory import in_words
from keras_seg.training.memory import variable_bytes

__all__ = ["check_space", "lock", "new_folder", "writing"]


@contextlib.contextmanager
def writing(path):
    """`atomic.replacing`, whose failure is a sentence.

    Args:
        path: str or path.

    Raises:
        RunError: if the file can't be written; what was there still is.
    """
    with _in_a_sentence(path), replacing(path) as temporary:
        yield temporary


@contextlib.contextmanager
def new_folder(path):
    """Gives a folder to fill, which is then moved to `path`.

    Args:
        path: path at which nothing is, or an empty folder.

    Raises:
        RunError: if it can't be written.
    """
    path = pathlib.Path(path)
    with _in_a_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with hidden_folder(path) as hidden:
            (hidden / path.name).mkdir()
            yield hidden / path.name
            if path.exists():
                path.rmdir()
            os.replace(hidden / path.name, path)


@contextlib.contextmanager
def _in_a_sentence(path):
    try:
        yield
    except WriteError as error:
        raise RunError(str(error)) from error
    except OSError as error:
        raise RunError(os_sentence(error, path)) from error


@contextlib.contextmanager
def lock(path):
    """Keeps a second process from the files of a run; gone with the process.

    Args:
        path: path of a file of the run that is never replaced.

    Raises:
        RunError: if another process has it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some network file systems have no locks.
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise RunError(
                    f"{path.parent} is being trained by another process. "
                    "Fix: wait for it, or end it."
                ) from error
        yield


def check_space(path, model):
    """Refuses to begin where the disk has no room for what will be written.

    While a file is written anew, the old one is still there. With the
    weights taking w bytes and the optimizer o, that is
    `2 w` for the last and the best model and `2 (w + o)` for the state.

    Args:
        path: path of the run folder, which may not exist.
        model: compiled `keras.Model`.

    Raises:
        RunError: if less is free.
    """
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    weights = variable_bytes(model.variables)
    needed = 4 * weights + 2 * variable_bytes(optimizer.variables)
    free = _free(pathlib.Path(path))
    if free < needed:
        raise RunError(
            f"{path} needs {in_words(needed)} for its models and the state "
            f"of training, and the disk has {in_words(free)} free. "
            "Fix: free some, or write to another disk."
        )


def _free(path):
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free
