"""Versions of installed packages, and devices of the backend."""

import importlib.metadata

__all__ = ["devices", "version_of"]


def version_of(package: str) -> str | None:
    """The version of an installed package, or None.

    TensorFlow for CPUs, or for a Mac, is a distribution of another name.

    Example:

    >>> version_of("no-such-package") is None
    True
    """
    for name in (package, f"{package}-cpu", f"{package}-macos"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def devices() -> list[str]:
    """The devices of Keras's backend: the names of GPUs on PyTorch."""
    import keras

    if keras.config.backend() == "torch":
        import torch

        return [
            torch.cuda.get_device_name(i)
            for i in range(torch.cuda.device_count())
        ] or ["cpu"]
    return keras.distribution.list_devices()
