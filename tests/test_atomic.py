import errno
import os
import pathlib
import shutil
import signal
import tempfile
import time

import pytest

from keras_seg import atomic
from keras_seg.atomic import WriteError
from keras_seg.atomic import os_sentence
from keras_seg.atomic import remove_leftovers
from keras_seg.atomic import replacing

pytestmark = pytest.mark.once


def test_replaces(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.parent.parent == tmp_path
        assert temporary.name == "a.txt"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_exception(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"):
        with replacing(path) as temporary:
            temporary.write_text("ha")
            raise OSError("disk full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_synced_before_it_is_moved(tmp_path, monkeypatch):
    """The file, then the move, then the folder: or a crash loses it."""
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def spy(*args, name=name, real=real):
            calls.append(name)
            return real(*args)

        monkeypatch.setattr(os, name, spy)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert calls == ["fsync", "replace", "fsync"]


def clear(folder):
    """What the next process that writes there does first."""
    atomic._remove_leftovers_once.cache_clear()
    with replacing(folder / "next.txt") as temporary:
        temporary.write_text("next")
    (folder / "next.txt").unlink()


def test_the_living_keep_what_they_write(tmp_path, fork):
    def write(tell):
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("ha")
            tell()
            time.sleep(60)

    child, pipe = fork(write)
    os.read(pipe, 1)
    (hidden,) = tmp_path.iterdir()
    clear(tmp_path)
    assert [file.read_text() for file in hidden.iterdir()] == ["ha"]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert hidden.is_dir()
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (pathlib.Path, "mkdir"),
        (atomic, "_lock"),
        (os, "fsync"),
        (os, "replace"),
        (shutil, "rmtree"),
    ],
)
def test_killed_at_any_step(tmp_path, fork, module, name, after):
    """The file is the old or the new one, and the next command clears."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    real = getattr(module, name)

    def die(*args, **options):
        if after:
            real(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    def write(tell):
        setattr(module, name, die)
        with replacing(path) as temporary:
            temporary.write_text("new")

    child, _ = fork(write)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    assert path.read_text() in ("old", "new")
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_another_machine_is_believed_for_a_day(tmp_path):
    """Its locks may not be seen here; its processes have numbers of ours."""
    hidden = tmp_path / f"{atomic.PREFIX}00000000-{0:032x}"
    hidden.mkdir()
    (hidden / "a.txt").write_text("ha")
    remove_leftovers(tmp_path)
    assert (hidden / "a.txt").is_file()
    day_ago = time.time() - 25 * 60 * 60
    os.utime(hidden, (day_ago, day_ago))
    remove_leftovers(tmp_path)
    assert (hidden / "a.txt").is_file()
    os.utime(hidden / "a.txt", (day_ago, day_ago))
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_locks(tmp_path, monkeypatch):
    """Of a file system that has none, only what is old is removed."""

    def flock(lock, kind):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(atomic.fcntl, "flock", flock)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        clear(tmp_path)
        assert temporary.read_text() == "new"
    assert (tmp_path / "a.txt").read_text() == "new"


def test_taken_for_dead_before_it_was_locked(tmp_path, monkeypatch):
    real, calls = atomic._lock, []

    def removing(folder):
        if len(calls) == 0:
            calls.append(folder)
            shutil.rmtree(folder)
        return real(folder)

    monkeypatch.setattr(atomic, "_lock", removing)
    with replacing(tmp_path / "a.txt") as temporary:
        assert temporary.parent != calls[0]
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.EACCES, "Fix: change its permissions, or choose another folder"),
        (errno.EROFS, "Fix: choose a folder on a disk that can be written"),
        (
            errno.ENOSPC,
            "MiB are free there). What was written before is whole."
            " Fix: make room",
        ),
        (errno.EDQUOT, "Fix: make room"),
        (errno.ENAMETOOLONG, "Fix: choose a shorter name"),
        (errno.EIO, "Input/output error. What was written before is whole"),
    ],
)
def test_why_it_cannot_be_written(tmp_path, monkeypatch, number, fix):
    def refuse(*args):
        raise OSError(number, os.strerror(number), args[0])

    monkeypatch.setattr(os, "replace", refuse)
    path = tmp_path / "a.txt"
    with pytest.raises(WriteError) as caught:
        with replacing(path) as temporary:
            temporary.write_text("new")
    text = str(caught.value)
    assert text.startswith(f"{path} cannot be written: {os.strerror(number)}")
    assert text.endswith(f"{fix}.") and caught.value.errno == number


def test_an_error_of_another_file_stays(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nope\.png"):
        with replacing(tmp_path / "a.txt"):
            (tmp_path / "nope.png").read_bytes()


def test_a_name_that_is_too_long(tmp_path):
    path = tmp_path / ("a" * 300)
    with pytest.raises(WriteError, match="Fix: choose a shorter name"):
        with replacing(path) as temporary:
            temporary.write_text("new")
    assert list(tmp_path.iterdir()) == []
    assert os_sentence(OSError("odd")) == "odd."


@pytest.mark.parametrize(("mode", "code"), [(0o555, 13), (0o777, 0)])
def test_a_folder_without_permission(fork, mode, code):
    """As a user whom the system refuses, which root is not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, mode)
        path = pathlib.Path(name) / "a.txt"

        def begin(tell):
            if os.getuid() == 0:
                os.setuid(65534)
            try:
                with replacing(path) as temporary:
                    temporary.write_text("new")
            except WriteError as error:
                expected = f"{path} cannot be written: Permission denied. "
                os._exit(13 if str(error).startswith(expected) else 2)
            os._exit(0)

        child, _ = fork(begin)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == code
        assert path.exists() == (code == 0)
