"""Files that appear whole or not at all."""

import contextlib
import os
import pathlib
import shutil
import uuid

__all__ = ["PREFIX", "remove_leftovers", "replacing", "sync_folder"]

PREFIX = ".writing-"


@contextlib.contextmanager
def replacing(path):
    """Gives a name to write to, and moves what was written to `path`.

    The file is written and synced in a hidden folder beside `path`, because
    a move is atomic within one file system only; then it is moved, and the
    folder of `path` synced, so that after a crash of the machine either the
    old file is there or the new one. After an exception, `path` is what it
    was before.

    Args:
        path: str or path. The name given is the same, in the hidden folder.

    Example:

    >>> import pathlib
    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with replacing(path) as temporary:
    ...     _ = temporary.write_text("all of it")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('all of it', 1)
    """
    path = pathlib.Path(path)
    hidden = path.parent / f"{PREFIX}{uuid.uuid4().hex}"
    hidden.mkdir()
    temporary = hidden / path.name
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def sync_folder(path):
    """Makes the names in a folder last, where the system can."""
    if os.name != "posix":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_leftovers(folder):
    """Removes what a killed process was about to write.

    Args:
        folder: str or path; folders inside it are searched too.

    Example:

    >>> import pathlib
    >>> import tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / ".writing-0").mkdir()
    >>> remove_leftovers(folder)
    >>> list(folder.iterdir())
    []
    """
    for path in list(pathlib.Path(folder).rglob(f"{PREFIX}*")):
        shutil.rmtree(path, ignore_errors=True)
