"""Where a tensor lives, and so which of two forms serves it."""

import functools

import keras

__all__ = ["on_cpu", "torch_can"]


def on_cpu(x):
    """Whether `x` is computed by a CPU."""
    if keras.config.backend() == "torch":
        return x.device.type == "cpu"
    return _has_cpus_only()


def torch_can(x):
    """Whether PyTorch's own functions serve: same numbers, several times
    faster on its CPU; elsewhere they may differ from run to run."""
    if keras.config.backend() != "torch":
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
