"""Which backend Keras will use, settled before Keras is imported."""

import importlib
import importlib.util
import json
import os
import pathlib
import sys

from keras_seg.cli import console
from keras_seg.cli.start import at_once

__all__ = ["BackendError", "prefer_backend", "use_backend"]

BACKENDS = ("tensorflow", "jax", "torch")


class BackendError(ValueError):
    """No backend, or not the one that was asked for."""


def use_backend():
    """Finds an installed backend and imports Keras with it.

    Every command that runs a Keras model begins with this.

    `KERAS_BACKEND` is obeyed. Without it the choice in Keras's settings
    counts if it is installed, or else the first backend that is: Keras
    itself writes TensorFlow there, whether it is installed or not.

    Raises:
        BackendError: if there is none, or not the one asked for.
    """
    if "keras" in sys.modules:
        return
    installed = [name for name in BACKENDS if _is_installed(name)]
    asked = os.environ.get("KERAS_BACKEND")
    if asked and asked not in BACKENDS:
        raise BackendError(
            f"KERAS_BACKEND must be one of {', '.join(BACKENDS)}. "
            f"Received: KERAS_BACKEND={asked}"
        )
    if not installed:
        extra = asked or "torch"
        raise BackendError(
            "Keras needs a backend, and none is installed: neither "
            f"TensorFlow, nor JAX, nor PyTorch. Fix: {_install(extra)}."
        )
    if asked and asked not in installed:
        raise BackendError(
            f"KERAS_BACKEND is {asked}, which is not installed. "
            f"Fix: {_install(asked)}, or set KERAS_BACKEND="
            f"{installed[0]}, which is."
        )
    preferred = asked or _preferred()
    backend = preferred if preferred in installed else installed[0]
    os.environ["KERAS_BACKEND"] = backend
    if backend != preferred:
        console.complain(
            f"Using the backend {backend}: {preferred} is not installed "
            f"(KERAS_BACKEND={backend} says so without this line)."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Two threads that wait in a busy loop take the processor from each other.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    with at_once(), console.quiet():
        importlib.import_module("keras")


def prefer_backend(names):
    """Chooses for a command that not every backend serves.

    Args:
        names: tuple of str, those that do, the best first. `KERAS_BACKEND`
            is obeyed nevertheless.
    """
    for name in names:
        if _is_installed(name):
            os.environ.setdefault("KERAS_BACKEND", name)
            return


def _is_installed(name):
    return importlib.util.find_spec(name) is not None


def _preferred():
    """What Keras would take by itself."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    try:
        text = (pathlib.Path(home) / "keras.json").read_text(encoding="utf-8")
        chosen = json.loads(text).get("backend", "tensorflow")
    except (OSError, ValueError, AttributeError):
        return "tensorflow"
    return chosen if chosen in BACKENDS else "tensorflow"


def _install(backend):
    return f'pip install "keras-seg[{backend}]"'
