import os

import pytest

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


def test_leftovers_of_a_killed_process(tmp_path):
    path = tmp_path / "inside" / "a.txt"
    path.parent.mkdir()
    writer = replacing(path)
    writer.__enter__().write_text("ha")
    assert len(list(path.parent.iterdir())) == 1
    remove_leftovers(tmp_path)
    assert list(tmp_path.rglob("*")) == [path.parent]
