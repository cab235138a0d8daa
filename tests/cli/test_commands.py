import os
import signal
import subprocess
import sys

import pytest

import keras_seg
from keras_seg.cli import commands as module
from keras_seg.cli.start import Ended
from tests.conftest import ROOT

pytestmark = pytest.mark.once


def python(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


def test_version(invoke):
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout == f"keras-seg {keras_seg.__version__}\n"


def test_help_names_the_commands(invoke):
    result = invoke("--help")
    assert result.exit_code == 0
    for name in ("demo", "train", "evaluate", "predict"):
        assert name in result.stdout
        assert invoke(name, "--help").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("train",),
        ("predict", "run"),
        ("train", "data", "--epochs", "0"),
        ("train", "data", "--crop", "1x2x3"),
        ("train", "data", "--crop", "small"),
        ("train", "data", "--option", "filters"),
    ],
)
def test_mistakes_in_the_command(invoke, arguments):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "train data --epochs zehn",
            "--epochs takes a whole number of 1 or more, such as 20. "
            "Received: zehn\n",
        ),
        (
            "train data --epochs=0.5",
            "--epochs takes a whole number of 1 or more, such as 20. "
            "Received: 0.5\n",
        ),
        (
            "train data --val-fraction 2",
            "--val-fraction takes a number of 0 to 0.9. Received: 2\n",
        ),
        (
            "train data --scale 1 b",
            "--scale takes two numbers, such as 0.75 1.5. Received: 1 b\n",
        ),
        (
            "predict run a.png --tile 9",
            "--tile takes a whole number of 64 or more, such as 512. "
            "Received: 9\n",
        ),
    ],
)
def test_other_values_than_numbers(invoke, command, said):
    result = invoke(*command.split())
    assert result.exit_code == 2
    assert result.stderr == said


def test_options_are_named_and_not_arguments(invoke, monkeypatch):
    """By the options of the command that runs, whatever raises the error."""

    texts = []

    def fail(*args, **kwargs):
        raise ValueError(texts[-1])

    monkeypatch.setattr("keras_seg.cli.train.use_backend", fail)
    monkeypatch.setattr("keras_seg.cli.predict.open_network", fail)
    for command, text, said in (
        (
            ("train", "data"),
            "`weights` must be None, or a path. Received: weights='a.h5'",
            "--weights must be none, or a path. Received: --weights a.h5",
        ),
        (
            ("train", "data"),
            "/batch_size/batch_size.png: the size of it and its batch_size. "
            "`filters` is 2. Received: start_from=a, skip_unlabeled=True.",
            "/batch_size/batch_size.png: the size of it and its --batch-size. "
            "`filters` is 2. Received: --from a, --skip-unlabeled.",
        ),
        (
            ("predict", "run", __file__),
            "`size` is a multiple of 32, and weights=3. Received: size=100",
            "--tile is a multiple of 32, and weights=3. Received: --tile 100",
        ),
    ):
        texts.append(text)
        assert invoke(*command).stderr == f"{said}\n"


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_errors(invoke, monkeypatch, error):
    def fail(self, ctx):
        raise error("A sentence about [brackets].")

    monkeypatch.setattr(module.TyperGroup, "invoke", fail)
    result = invoke("train", "data")
    assert result.exit_code == 1
    assert result.stderr == "A sentence about [brackets].\n"
    result = invoke("--debug", "train", "data")
    assert isinstance(result.exception, error)


def test_interrupted(invoke, monkeypatch):
    def fail(self, ctx):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.TyperGroup, "invoke", fail)
    result = invoke("train", "data")
    assert result.exit_code == 130
    assert result.stderr == "Interrupted.\n"


def test_the_system_ends_it(invoke, monkeypatch):
    def fail(self, ctx):
        raise Ended(signal.SIGTERM)

    monkeypatch.setattr(module.TyperGroup, "invoke", fail)
    result = invoke("train", "data")
    assert result.exit_code == 143
    assert result.stderr == "Ended by SIGTERM.\n"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            PermissionError(13, "Permission denied", "DATA/a.png"),
            "DATA/a.png: Permission denied. Fix: change its permissions, or "
            "choose another folder.\n",
        ),
        (
            OSError(28, "No space left on device"),
            "No space left on device. Fix: make room.\n",
        ),
        (
            UnicodeEncodeError("utf-8", "b\udce9", 1, 2, "surrogates"),
            "b\udce9: a library takes only names that are UTF-8 text, and "
            "this one is not. Fix: rename it.\n",
        ),
    ],
)
def test_errors_of_the_system(invoke, monkeypatch, error, text):
    def fail(self, ctx):
        raise error

    said = []
    monkeypatch.setattr(module.TyperGroup, "invoke", fail)
    monkeypatch.setattr(module.console, "complain", said.append)
    assert invoke("train", "data").exit_code == 1
    assert said == [text.rstrip()]


def test_other_errors_are_not_hidden(invoke, monkeypatch):
    def fail(self, ctx):
        raise TypeError("a mistake of ours")

    monkeypatch.setattr(module.TyperGroup, "invoke", fail)
    assert isinstance(invoke("train", "data").exception, TypeError)


def test_help_needs_no_keras(tmp_path):
    code = (
        "import sys; from keras_seg.cli import app; "
        "assert not {'keras', 'PIL', 'torch'} & set(sys.modules)"
    )
    result = python("-c", code, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_a_mistake_in_a_process_of_its_own(tmp_path):
    result = python("-m", "keras_seg.cli", "train", "nope", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        "KS-D001  nope does not exist; a folder with images and labels is "
        "expected. Fix: correct the path.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_shells_complete_commands_options_and_formats(tmp_path):
    def completed(words):
        found = python(
            "-m",
            "keras_seg.cli",
            cwd=tmp_path,
            _KERAS_SEG_COMPLETE="complete_bash",
            COMP_WORDS=words,
            COMP_CWORD=str(len(words.split(" ")) - 1),
        )
        return found.stdout.split()

    assert completed("keras-seg ev") == ["evaluate"]
    assert completed("keras-seg train --overf") == ["--overfit"]
    formats = completed("keras-seg export run --format tf")
    assert formats == ["tf_saved_model"]


def test_help_needs_no_numpy(tmp_path):
    code = (
        "import sys, keras_seg.cli.commands\n"
        "print([x for x in ('numpy', 'keras', 'PIL') if x in sys.modules])"
    )
    assert python("-c", code, cwd=tmp_path).stdout == "[]\n"


@pytest.mark.parametrize(
    "command", ["check", "train", "predict", "evaluate", "export", "serve"]
)
def test_help_fits_80_columns(invoke, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    lines = invoke(command, "--help").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    # An option and what it does are on one line, or on two.
    assert len(lines) < 170
