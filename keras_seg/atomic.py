"""Files that appear whole or not at all."""

import contextlib
import errno
import functools
import os
import pathlib
import platform
import shutil
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "PREFIX",
    "WriteError",
    "check_writable",
    "hidden_folder",
    "lock_file",
    "os_sentence",
    "remove_leftovers",
    "replacing",
    "sync_folder",
]

PREFIX = ".writing-"
# Seconds without a change after which a folder without a lock is left over.
_DEAD_AFTER = 24 * 60 * 60
_FIXES = {
    errno.EACCES: "change its permissions, or choose another folder",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "remove the links that point at each other",
    errno.ENOTDIR: "choose another path: a part of this one is a file",
    errno.EISDIR: "choose another path: this one is a folder",
    errno.ENOTEMPTY: "choose another folder: something else writes there",
    errno.ENOENT: "correct the path, or put back what was removed",
    errno.ENOSPC: "make room",
}
_FIXES[errno.EPERM] = _FIXES[errno.EACCES]
_FIXES[errno.EDQUOT] = _FIXES[errno.ENOSPC]
_FIXES[errno.EEXIST] = _FIXES[errno.ENOTDIR]


class WriteError(OSError):
    """A file could not be written; the message says why, and the fix."""

    def __str__(self) -> str:
        return self.strerror or ""


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a path to write to, and moves what was written to `path`.

    The file is written and synced in a hidden folder beside `path`, because
    a move is atomic within one file system only. Then it is moved and the
    folder of `path` is synced: after a crash of the machine either the old
    file is there or the new one. After an exception, `path` is unchanged.

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
    with hidden_folder(path) as hidden:
        yield hidden / path.name
        with open(hidden / path.name, "r+b") as file:  # Windows syncs these
            os.fsync(file.fileno())
        os.replace(hidden / path.name, path)


@contextlib.contextmanager
def hidden_folder(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a folder beside `path` to write in, which is removed at the end.

    It is locked as long as the process lives, so that other processes can tell
    whether it is still in use, see `remove_leftovers`. Those of dead processes
    are removed when the first folder is made beside them. A `WriteError` says
    what the system refused.
    """
    path = pathlib.Path(path)
    try:
        _remove_leftovers_once(path.parent.absolute())
        hidden, lock = _new_folder(path.parent)
        try:
            yield hidden
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
            _unlock(lock)
        sync_folder(path.parent)
    except OSError as error:
        name = os.fsdecode(error.filename or "")
        of_another = name and PREFIX not in name and name != str(path)
        if of_another or isinstance(error, WriteError):
            raise
        raise WriteError(error.errno, os_sentence(error, path)) from error


def os_sentence(error: OSError, path: str | os.PathLike | None = None) -> str:
    """Says what the system refused, and the fix; `path` is for writing.

    Example:

    >>> os_sentence(PermissionError(13, "Permission denied", "a.png"))
    'a.png: Permission denied. Fix: change its permissions, or choose another folder.'
    """  # noqa: E501
    said = error.strerror or str(error) or type(error).__name__
    fix = _FIXES.get(error.errno or 0)
    fix = "" if fix is None else f" Fix: {fix}."
    if path is None:
        name = error.filename
        where = (
            f"{os.fsdecode(name)}: " if isinstance(name, str | bytes) else ""
        )
        return f"{where}{said}.{fix}"
    if error.errno == errno.ENOSPC:
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(pathlib.Path(path).parent).free
            said += f" ({free / 2**20:.0f} MiB are free there)"
    return (
        f"{path} cannot be written: {said}. What was written before is whole."
        f"{fix}"
    )


def check_writable(folder: str | os.PathLike) -> None:
    """Raises the `OSError` of a folder that cannot be made or written to."""
    place = pathlib.Path(folder).absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    number = None
    if not place.is_dir():
        number = errno.ENOTDIR
    elif not os.access(place, os.W_OK | os.X_OK):
        number = errno.EACCES
    if number is not None:
        raise OSError(number, os.strerror(number), str(place))


def sync_folder(path: str | os.PathLike) -> None:
    """Makes the names in a folder last a crash, where the system can."""
    if os.name != "posix":
        return
    try:
        folder = os.open(path, os.O_RDONLY)
    except PermissionError:  # To write into it needs less.
        return
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Removes hidden folders that killed processes left directly in a folder.

    A writer holds a lock, which ends with its process and is visible to all
    processes of the machine, those in containers too. If the file system has no
    locks, or another machine or an earlier start of this one wrote there, a
    hidden folder is removed when nothing in it has changed for a day.
    """
    for path in pathlib.Path(folder).glob(f"{PREFIX}*"):
        try:
            lock = _lock(path)
        except OSError:  # Being written, or gone meanwhile.
            continue
        ours = path.name.startswith(f"{PREFIX}{_machine()}-")
        if (lock is not None and ours) or _age(path) > _DEAD_AFTER:
            shutil.rmtree(path, ignore_errors=True)
        _unlock(lock)


@functools.lru_cache(maxsize=1024)
def _remove_leftovers_once(folder: pathlib.Path) -> None:
    """Listing the folder for each of a thousand masks would be slow."""
    remove_leftovers(folder)


def _new_folder(parent: pathlib.Path) -> tuple[pathlib.Path, int | None]:
    """A new hidden folder, and its lock."""
    while True:
        folder = parent / f"{PREFIX}{_machine()}-{uuid.uuid4().hex}"
        folder.mkdir()
        # Before it was locked, another process may have taken it for dead.
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            lock = _lock(folder)
            if folder.is_dir():
                return folder, lock
            _unlock(lock)


def _lock(folder: pathlib.Path) -> int | None:
    """Locks a folder: a file descriptor, or None where there are no locks.

    Raises an `OSError` if another process has it, or the folder is gone.
    """
    if fcntl is None:
        return None
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    except OSError:
        os.close(lock)
        return None
    return lock


def lock_file(file: IO) -> None:
    """Waits for other writers of an open file, of other machines, too.

    The lock ends when the file is closed. Some file systems have none.
    """
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)


def _unlock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


@functools.cache
def _machine() -> str:
    """Names the running kernel, whose processes see each other's locks."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        boot = platform.node().encode()
    return f"{zlib.crc32(boot):08x}"


def _age(folder: pathlib.Path) -> float:
    """Seconds since something in a folder changed."""
    times = [time.time()]
    with contextlib.suppress(OSError):
        files = [folder, *folder.rglob("*")]
        times = [file.lstat().st_mtime for file in files]
    return time.time() - max(times)
