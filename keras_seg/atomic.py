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

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "PREFIX",
    "WriteError",
    "hidden_folder",
    "os_sentence",
    "remove_leftovers",
    "replacing",
    "sync_folder",
]

PREFIX = ".writing-"
# Seconds without a change, after which a writer that can't be asked is dead.
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

    def __str__(self):
        return self.strerror


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

    Raises:
        WriteError: if the system does not let it be written.

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
        with open(hidden / path.name, "rb") as file:
            os.fsync(file.fileno())
        os.replace(hidden / path.name, path)


@contextlib.contextmanager
def hidden_folder(path):
    """Gives a folder beside `path` to write in, which is removed at the end.

    It is locked as long as the process lives, so that another one can tell
    whether what it meets is still being written, see `remove_leftovers`;
    those of dead processes go when the first folder is made beside them.

    Args:
        path: str or path of what will be moved out of it.

    Raises:
        WriteError: if the system does not let it, or something in it, be
            written.
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


def os_sentence(error, path=None):
    """Says what the system did not allow, and what may help.

    Args:
        error: `OSError`.
        path: str or path of what was to be written; `None` if something was
            to be read.

    Returns:
        str.

    Example:

    >>> os_sentence(PermissionError(13, "Permission denied", "a.png"))
    'a.png: Permission denied. Fix: change its permissions, or choose another folder.'
    """  # noqa: E501
    said = error.strerror or str(error) or type(error).__name__
    fix = _FIXES.get(error.errno)
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


def sync_folder(path):
    """Makes the names in a folder last, where the system can."""
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


def remove_leftovers(folder):
    """Removes what killed processes were about to write into a folder.

    Whoever writes holds a lock, which the system takes away with the process
    and shows to every process of the machine, those in containers too. Where
    that says nothing, because the file system has no locks or another
    machine, or this one before it was started again, wrote there, what has
    not changed for a day is removed.

    Args:
        folder: str or path; folders inside it are not searched.
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
def _remove_leftovers_once(folder):
    """Not for each of a thousand masks: the folder is listed for that."""
    remove_leftovers(folder)


def _new_folder(parent):
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


def _lock(folder):
    """Locks a folder: a file descriptor, or None where there are no locks.

    Raises:
        OSError: if another process has it, or the folder is gone.
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


def _unlock(lock):
    if lock is not None:
        os.close(lock)


@functools.cache
def _machine():
    """The same for all who share the locks of one running kernel."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        boot = platform.node().encode()
    return f"{zlib.crc32(boot):08x}"


def _age(folder):
    """Seconds since something in a folder changed."""
    times = [time.time()]
    with contextlib.suppress(OSError):
        files = [folder, *folder.rglob("*")]
        times = [file.lstat().st_mtime for file in files]
    return time.time() - max(times)
