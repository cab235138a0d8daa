"""Where a tensor lives, and so which of two forms serves it."""

import contextlib
import contextvars
import functools

import keras

__all__ = ["is_portable", "on_cpu", "portable_forms", "torch_can"]

_elsewhere = contextvars.ContextVar("elsewhere", default=False)


@contextlib.contextmanager
def portable_forms():
    """Within, operations take the form that every runtime knows.

    A graph that is exported runs elsewhere: what is fast in this process is
    not there, and the operations it is made of may not be either.
    """
    token = _elsewhere.set(True)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def is_portable():
    """Whether operations are asked for in the form every runtime knows."""
    return _elsewhere.get()


def on_cpu(x):
    """Whether `x` is computed by a CPU, this one."""
    if is_portable():
        return False
    if keras.config.backend() == "torch":
        return x.device.type == "cpu"
    return _has_cpus_only()


def torch_can(x):
    """Whether PyTorch's own functions serve: same numbers, several times
    faster on its CPU; elsewhere they may differ from run to run."""
    if is_portable() or keras.config.backend() != "torch":
        return False
    import torch

    return (
        x.device.type == "cpu"
        and x.is_floating_point()
        and not torch.compiler.is_compiling()
    )


@functools.cache
def _has_cpus_only():
    devices = keras.distribution.list_devices()
    return all(device.lower().startswith("cpu") for device in devices)
