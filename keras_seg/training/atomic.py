"""Files that appear whole or not at all."""

import contextlib
import os
import pathlib
import uuid

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path):
    """Gives a name to write to, and moves what was written to `path`.

    The name is in the same folder, because a move is atomic within one file
    system only, and has the same suffix, by which Keras knows a format.
    After an exception, `path` is what it was before.

    Args:
        path: str or path.

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
    name = f".{path.stem}.{uuid.uuid4().hex}{path.suffix}"
    temporary = path.with_name(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
