"""What a run ran on, in a few lines of text."""

import importlib.metadata
import platform
import shlex
import sys

import keras

import keras_seg

__all__ = ["environment"]


def environment():
    """The versions, backend, machine, devices and command, a line each.

    Returns:
        str.

    Example:

    >>> environment().splitlines()[0].split()[0]
    'keras_seg'
    """
    backend = keras.config.backend()
    lines = [("keras_seg", keras_seg.__version__), ("backend", backend)]
    for package in ("keras", backend, "numpy", "pillow"):
        lines.append((package, _version(package)))
    lines.append(("python", platform.python_version()))
    lines.append(("system", platform.platform()))
    lines.append(("devices", ", ".join(_devices(backend))))
    lines.append(("precision", keras.config.dtype_policy().name))
    lines.append(("command", " ".join(map(shlex.quote, sys.argv))))
    return "".join(f"{name} {value}\n" for name, value in lines)


def _version(package):
    # TensorFlow for CPUs alone is a distribution of another name.
    for name in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "of unknown version"


def _devices(backend):
    if backend == "torch":
        import torch

        return [
            torch.cuda.get_device_name(i)
            for i in range(torch.cuda.device_count())
        ] or ["cpu"]
    return keras.distribution.list_devices()
