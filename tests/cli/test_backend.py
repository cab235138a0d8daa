import os
import sys

import pytest

from keras_seg.cli import backend

pytestmark = pytest.mark.once


@pytest.fixture
def machine(monkeypatch, tmp_path, capsys):
    """A machine with some backends, before Keras is imported."""

    def use(*installed, environment=None, chosen=None):
        modules = {k: v for k, v in sys.modules.items() if k != "keras"}
        monkeypatch.setattr(backend.sys, "modules", modules)
        monkeypatch.setattr(
            backend.importlib, "import_module", lambda name: None
        )
        monkeypatch.setattr(
            backend, "_is_installed", lambda name: name in installed
        )
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        if chosen:
            (tmp_path / "keras.json").write_text(f'{{"backend": "{chosen}"}}')
        if environment is None:
            monkeypatch.delenv("KERAS_BACKEND", raising=False)
        else:
            monkeypatch.setenv("KERAS_BACKEND", environment)
        backend.use_backend()
        return os.environ["KERAS_BACKEND"], capsys.readouterr().err

    return use


def message(machine, *installed, **options):
    with pytest.raises(backend.BackendError) as caught:
        machine(*installed, **options)
    return str(caught.value)


def test_obeyed(machine):
    assert machine("tensorflow", "jax", environment="jax") == ("jax", "")
    assert machine("tensorflow", "jax") == ("tensorflow", "")
    assert machine("tensorflow", "torch", chosen="torch") == ("torch", "")


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
    monkeypatch.setattr(backend, "_is_installed", lambda name: name == "torch")
    backend.prefer_backend(("tensorflow", "torch"))
    assert os.environ["KERAS_BACKEND"] == "torch"
    backend.prefer_backend(("jax",))
    assert os.environ["KERAS_BACKEND"] == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    backend.prefer_backend(("torch",))
    assert os.environ["KERAS_BACKEND"] == "jax"
