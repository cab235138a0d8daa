"""Where the weights of a torchvision network come from."""

import collections.abc
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from keras_seg.lazy import optional
from keras_seg.pretrained.catalogue import CATALOGUE
from keras_seg.pretrained.catalogue import find
from keras_seg.pretrained.download import download

__all__ = ["NAMES", "read"]

NAMES = tuple(x.name for x in CATALOGUE if x.library == "torchvision")


def read(x: Any) -> Mapping[str, Any]:
    """Returns the state of a network, given as for `from_torchvision`."""
    if callable(getattr(x, "state_dict", None)):
        return x.state_dict()
    if isinstance(x, collections.abc.Mapping):
        return x
    if isinstance(x, str) and x in NAMES:
        _import_torch()
        return _read_pickle(download(find(x)))
    if isinstance(x, str | os.PathLike):
        path = pathlib.Path(x)
        if path.suffix == ".safetensors" and path.is_file():
            user = "Reading a .safetensors file"
            package = optional("safetensors.numpy", "torchvision", user)
            return package.load_file(path)
        if path.suffix in (".pth", ".pt") and path.is_file():
            return _read_pickle(path)
    raise ValueError(
        "`x` must be a torchvision network, its state dict, the path of a "
        f".pth, .pt or .safetensors file, or one of {', '.join(NAMES)}. "
        f"Received: x={x!r}"
    )


def _import_torch() -> Any:
    user = "Reading a .pth file, unlike one of .safetensors,"
    return optional("torch", "torchvision", user)


def _read_pickle(path: str | os.PathLike) -> Mapping[str, Any]:
    torch = _import_torch()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path} can't be loaded as tensors alone, and nothing else is "
            "loaded from a file: it could run code. Save the state dict by "
            "itself, `torch.save(model.state_dict(), PATH)`. "
            f"({str(error).splitlines()[0]})"
        ) from error
    if not isinstance(state, collections.abc.Mapping):
        raise ValueError(
            f"{path} must hold a state dict, and holds a "
            f"{type(state).__name__}."
        )
    return state
