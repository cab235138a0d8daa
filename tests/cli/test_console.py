import os

import pytest

from keras_seg.cli import console

pytestmark = pytest.mark.once


def test_what_an_import_prints_is_held_back(capfd):
    with console.quiet():
        os.write(2, b"noise")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError):
        with console.quiet():
            os.write(2, b"the reason")
            raise ImportError
    assert capfd.readouterr().err == "the reason"
    # A user's mistake is a sentence of our own.
    with pytest.raises(ValueError):
        with console.quiet():
            os.write(2, b"noise")
            raise ValueError
    assert capfd.readouterr().err == ""


def test_progress_without_a_terminal_is_lines_with_the_time_left(
    capsys, monkeypatch
):
    now = iter(range(0, 10_000, 20))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with console.progress("Predicting", 100) as progress:
        for done in range(0, 101, 5):
            progress(done)
    lines = capsys.readouterr().err.splitlines()
    # 20 seconds each 5 images: a line at every tenth, and no more.
    assert lines[0] == "Predicting: 10 of 100, 6 min left"
    assert [line.split()[1] for line in lines] == [
        str(tenth) for tenth in range(10, 101, 10)
    ]


def test_short_work_without_a_terminal_prints_nothing(capsys):
    with console.progress("Checking") as progress:
        for done in range(100):
            progress(done, 100)
    assert capsys.readouterr().err == ""
