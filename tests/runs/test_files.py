import os

import pytest

from keras_seg.runs import RunError
from keras_seg.runs.files import lock
from keras_seg.runs.files import new_folder
from keras_seg.runs.files import writing

pytestmark = pytest.mark.once


def test_a_folder_appears_whole(tmp_path):
    path = tmp_path / "a" / "run"
    with new_folder(path) as hidden:
        (hidden / "x").write_text("x")
        assert not path.exists()
    assert [p.name for p in path.iterdir()] == ["x"]
    assert [p.name for p in path.parent.iterdir()] == ["run"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "run").mkdir()
    with new_folder(tmp_path / "run") as hidden:
        (hidden / "x").write_text("x")
    assert (tmp_path / "run" / "x").is_file()


def test_nothing_is_left_after_an_error(tmp_path):
    with pytest.raises(KeyError):
        with new_folder(tmp_path / "run"):
            raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "run"
    for context in (new_folder, writing):
        with pytest.raises(RunError, match="run cannot be written: .* file"):
            with context(path):
                pass


def test_a_lock_goes_with_its_holder(tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "a"
    path.write_text("")
    with lock(path):
        with pytest.raises(RunError, match="trained by another process"):
            with lock(path):
                pass
    with lock(path):
        pass
    assert os.listdir(tmp_path) == ["a"]
