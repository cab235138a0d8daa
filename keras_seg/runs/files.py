"""Files and folders of a run, and the errors and warnings of runs."""

import contextlib
import csv
import errno
import os
import pathlib

from keras_seg.atomic import WriteError
from keras_seg.atomic import hidden_folder
from keras_seg.atomic import os_sentence
from keras_seg.atomic import replacing

__all__ = [
    "RunError",
    "RunWarning",
    "lock",
    "new_folder",
    "write_table",
    "writing",
]


class RunError(ValueError):
    """A run folder is not as it must be, or a run cannot go on."""


class RunWarning(UserWarning):
    """A run goes on, and its owner should know something."""


@contextlib.contextmanager
def writing(path):
    """`atomic.replacing`, with a `RunError` where the file can't be written.

    Args:
        path: str or path.

    Raises:
        RunError: if the file can't be written; what was there still is.
    """
    with _run_error(path), replacing(path) as temporary:
        yield temporary


@contextlib.contextmanager
def new_folder(path):
    """Gives a hidden folder to fill, and then moves it to `path`.

    Args:
        path: path at which nothing is, or an empty folder.

    Raises:
        RunError: if it can't be written.
    """
    path = pathlib.Path(path)
    with _run_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with hidden_folder(path) as hidden:
            (hidden / path.name).mkdir()
            yield hidden / path.name
            if path.exists():
                path.rmdir()
            os.replace(hidden / path.name, path)


@contextlib.contextmanager
def _run_error(path):
    try:
        yield
    except WriteError as error:
        raise RunError(str(error)) from error
    except OSError as error:
        raise RunError(os_sentence(error, path)) from error


@contextlib.contextmanager
def lock(path):
    """Keeps a second process from the files of a run.

    The system releases it with the process, however that ends.

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


def write_table(path, rows, columns=None):
    """Writes rows, dictionaries with the same keys, as a CSV file.

    `columns` are needed where there may be no rows, or values are missing.
    """
    with (
        writing(path) as temporary,
        open(
            temporary, "w", -1, "utf-8", "backslashreplace", newline=""
        ) as file,
    ):
        writer = csv.DictWriter(
            file, list(columns or rows[0]), lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)
