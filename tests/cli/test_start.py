"""Streams, names that are no text, signals, the choice of a backend."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from keras_seg.cli import start
from tests.conftest import ROOT

pytestmark = pytest.mark.once


def shell(command, *arguments, **environment):
    """Runs `command`, in which `cli` is the command line."""
    command = command.replace("cli", f"'{sys.executable}' -m keras_seg.cli", 1)
    return subprocess.run(
        ["/bin/sh", "-c", command, "sh", *map(os.fspath, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )


def test_closed_streams(data, tmp_path):
    """What is opened later must not get the numbers of the streams."""
    out = tmp_path / "report"
    result = shell('cli check "$1" --out "$2" <&- >&- 2>&-', data, out)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    text = (out / "report.txt").read_text()
    assert text.endswith("\n") and "can be trained on" in text


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
@pytest.mark.parametrize("command", ["--version", "--help", "check nope"])
def test_a_full_device(command):
    result = shell(f"cli {command} >/dev/full 2>&1")
    assert result.returncode == 1
    result = shell(f"cli {command} >/dev/full")
    assert result.returncode == 1
    assert b"Traceback" not in result.stderr and result.stderr.count(b"\n") == 1


def test_a_reader_that_has_gone(data):
    result = shell('(cli check "$1"; echo $? >&2) | true', data)
    assert result.stderr.strip() == b"141"


@pytest.mark.parametrize(
    ("locale", "name"),
    [("C.UTF-8", b"f\xe9"), ("C", b"f\xe9"), ("C", "f\u00e9".encode())],
)
def test_names_that_are_no_text(tmp_path, locale, name):
    """Printed as the bytes that they are, so that they can be copied."""
    path = os.fsencode(tmp_path) + b"/" + name
    result = shell(
        'cli check "$1"',
        path,
        LC_ALL=locale,
        PYTHONCOERCECLOCALE="0",
        PYTHONUTF8="0",
    )
    assert result.returncode == 1
    assert result.stderr.startswith(b"KS-D001  " + path + b" does not exist")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("importing", [True, False])
def test_a_signal_that_is_swallowed(fork, number, importing):
    """Libraries catch the exception, and go on or fail otherwise."""

    def begin(tell):
        start.SECONDS = 0.2
        signal.signal(number, start._end)
        with start._at_once() if importing else contextlib.nullcontext():
            try:
                os.kill(os.getpid(), number)
                time.sleep(60)
            except BaseException:
                tell()
        time.sleep(60)

    child, pipe = fork(begin)
    assert os.read(pipe, 1) == (b"" if importing else b".")
    status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) == 128 + number


@pytest.fixture
def machine(monkeypatch, tmp_path, capsys):
    """A machine with some backends, before Keras is imported."""

    def use(*installed, environment=None, chosen=None):
        modules = {k: v for k, v in sys.modules.items() if k != "keras"}
        monkeypatch.setattr(start.sys, "modules", modules)
        monkeypatch.setattr(start.importlib, "import_module", lambda name: None)
        monkeypatch.setattr(
            start, "is_installed", lambda name: name in installed
        )
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        if chosen:
            (tmp_path / "keras.json").write_text(f'{{"backend": "{chosen}"}}')
        if environment is None:
            monkeypatch.delenv("KERAS_BACKEND", raising=False)
        else:
            monkeypatch.setenv("KERAS_BACKEND", environment)
        start.use_backend()
        return os.environ["KERAS_BACKEND"], capsys.readouterr().err

    return use


def message(machine, *installed, **options):
    with pytest.raises(start.BackendError) as caught:
        machine(*installed, **options)
    return str(caught.value)


def test_obeyed(machine):
    assert machine("tensorflow", "jax", environment="jax") == ("jax", "")
    assert machine("tensorflow", "jax") == ("tensorflow", "")
    assert machine("tensorflow", "torch", chosen="torch") == ("torch", "")


def test_what_no_command_uses_is_hidden_from_keras(machine, monkeypatch):
    hidden = []

    def hide(names):
        hidden.append(set(names))
        return contextlib.nullcontext()

    monkeypatch.setattr(start, "hidden", hide)
    machine("jax")
    machine("tensorflow", environment="tensorflow")
    assert hidden[0] >= {"sklearn", "pandas"}
    assert hidden[1] - hidden[0] == {"jax"}


def test_what_is_installed(machine):
    assert machine("torch") == (
        "torch",
        "Using the backend torch: tensorflow is not installed "
        "(KERAS_BACKEND=torch says so without this line).\n",
    )
    found, said = machine("jax", "torch", chosen="tensorflow")
    assert found == "jax" and "tensorflow is not installed" in said


def test_damaged_settings_of_keras(machine, tmp_path):
    (tmp_path / "keras.json").write_text("{")
    assert machine("tensorflow")[0] == "tensorflow"


def test_none_is_installed(machine):
    assert message(machine) == (
        "Keras needs a backend, and none is installed: neither TensorFlow, "
        'nor JAX, nor PyTorch. Fix: pip install "keras-seg[torch]".'
    )
    assert message(machine, environment="jax").endswith(
        'Fix: pip install "keras-seg[jax]".'
    )


def test_the_one_asked_for_is_missing(machine):
    assert message(machine, "torch", environment="jax") == (
        "KERAS_BACKEND is jax, which is not installed. Fix: pip install "
        '"keras-seg[jax]", or set KERAS_BACKEND=torch, which is.'
    )


def test_no_such_backend(machine):
    assert message(machine, "torch", environment="mxnet") == (
        "KERAS_BACKEND must be one of tensorflow, jax, torch. "
        "Received: KERAS_BACKEND=mxnet"
    )


def test_what_a_command_prefers(machine, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(start, "is_installed", lambda name: name == "torch")
    start.prefer_backend(("tensorflow", "torch"))
    assert os.environ["KERAS_BACKEND"] == "torch"
    start.prefer_backend(("jax",))
    assert os.environ["KERAS_BACKEND"] == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    start.prefer_backend(("torch",))
    assert os.environ["KERAS_BACKEND"] == "jax"
