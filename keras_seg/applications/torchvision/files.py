"""Where the weights of a torchvision network come from."""

import collections.abc
import hashlib
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import keras

from keras_seg.lazy import optional

__all__ = ["FILES", "read"]

URL = "https://download.pytorch.org/models/"

# As published. The end of a name is how the file's SHA-256 begins.
FILES = {
    "fcn_resnet50": "fcn_resnet50_coco-1167a1af.pth",
    "fcn_resnet101": "fcn_resnet101_coco-7ecb50ca.pth",
    "deeplabv3_resnet50": "deeplabv3_resnet50_coco-cd0a2569.pth",
    "deeplabv3_resnet101": "deeplabv3_resnet101_coco-586e9e4e.pth",
    "deeplabv3_mobilenet_v3_large": (
        "deeplabv3_mobilenet_v3_large-fc3c493d.pth"
    ),
    "lraspp_mobilenet_v3_large": "lraspp_mobilenet_v3_large-d234d4ea.pth",
}


def read(x: Any) -> Mapping[str, Any]:
    """Returns the state of a network, given as for `from_torchvision`."""
    if callable(getattr(x, "state_dict", None)):
        return x.state_dict()
    if isinstance(x, collections.abc.Mapping):
        return x
    if isinstance(x, str) and x in FILES:
        _import_torch()
        return _read_pickle(_download(FILES[x]))
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
        f".pth, .pt or .safetensors file, or one of {', '.join(FILES)}. "
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


def _download(name: str) -> str:
    """Downloads a file into the Keras cache, once, and checks it."""
    try:
        path = keras.utils.get_file(name, URL + name, cache_subdir="models")
    except Exception as error:
        if "fetch failure" not in str(error):
            raise
        raise OSError(
            f"{URL + name} could not be downloaded, and is not in the Keras "
            f"cache. Pass the path of the file. ({error})"
        ) from error
    expected = name.removesuffix(".pth").split("-")[-1]
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(expected):
        raise ValueError(
            f"{path} is incomplete or is not {URL + name}: its SHA-256 must "
            f"begin with {expected}, and is {digest}. Delete it and try again."
        )
    return path
