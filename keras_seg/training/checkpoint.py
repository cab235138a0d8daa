"""The state of training in one file, from which it goes on exactly."""

import json
import os
import random
import zipfile
import zlib
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_seg.runs.files import RunError

__all__ = [
    "generator_states",
    "read_checkpoint",
    "restore_variables",
    "set_generator_states",
    "write_checkpoint",
]

_FACTS = "facts"
_FORMAT = 1
# What NumPy raises for files that are empty, cut off, or of another kind.
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    AttributeError,
    zipfile.BadZipFile,
    zlib.error,
)


def write_checkpoint(
    path: str | os.PathLike, model: keras.Model, facts: dict[str, Any]
) -> None:
    """Writes all that a training step changes, and `facts`, to one `.npz`.

    Without pickle: the variables of the model (random generators included) and
    of the optimizer, in the model's order, and the facts as JSON, which keeps
    floats exactly.
    """
    arrays: dict[str, Any] = {}
    names = {}
    for room, variables in _rooms(model).items():
        names[room] = [variable.path for variable in variables]
        for number, variable in enumerate(variables):
            arrays[_key(room, number)] = _as_array(variable)
    text = json.dumps({"format": _FORMAT, "names": names, "facts": facts})
    arrays[_FACTS] = np.frombuffer(text.encode(), np.uint8)
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def read_checkpoint(
    path: str | os.PathLike,
) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Returns the facts and the arrays that `write_checkpoint` wrote."""
    try:
        # np.load, given a path, leaves a damaged file open.
        with open(path, "rb") as opened:
            with np.load(opened, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        head = json.loads(arrays.pop(_FACTS).tobytes().decode())
        if head["format"] != _FORMAT:
            raise ValueError(f"its format is {head['format']}")
    except _DAMAGED as error:
        raise RunError(
            f"{path} cannot be read: {error}. It is damaged, or of another "
            "version of keras_seg. Fix: copy it again from its source, or "
            "train again."
        ) from error
    return head["facts"], arrays


def restore_variables(
    model: keras.Model, arrays: dict[str, NDArray], path: str | os.PathLike
) -> None:
    """Sets model and optimizer to a checkpoint; `path` is for the message."""
    pairs = [
        (f"{room}: {variable.path}", variable, arrays.get(_key(room, number)))
        for room, variables in _rooms(model).items()
        for number, variable in enumerate(variables)
    ]
    for name, variable, value in pairs:
        if value is None or value.shape != tuple(variable.shape):
            found = "nothing" if value is None else f"shape {value.shape}"
            raise RunError(
                f"{path} is of another model, optimizer or loss: it has "
                f"{found} for {name} of shape {tuple(variable.shape)}. Fix: "
                "build and compile the model as for the first epoch."
            )
    if len(pairs) != len(arrays):
        raise RunError(
            f"{path} is of another model, optimizer or loss: it has "
            f"{len(arrays)} variables, this one {len(pairs)}. Fix: build and "
            "compile the model as for the first epoch."
        )
    for _, variable, value in pairs:
        variable.assign(value)


def _rooms(model: keras.Model) -> dict[str, list[keras.Variable]]:
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    # `variables`, unlike `weights`, has the states of random generators.
    return {"model": model.variables, "optimizer": optimizer.variables}


def _key(room: str, number: int) -> str:
    return f"{room}_{number:05d}"


def _as_array(variable: keras.Variable) -> NDArray:
    array = keras.ops.convert_to_numpy(variable.value)
    # NumPy has no bfloat16; float32 holds its values exactly.
    return array.astype("float32") if array.dtype.kind == "V" else array


def generator_states() -> dict[str, Any]:
    """Returns the states of Python's, NumPy's and PyTorch's global generators.

    Keras layers keep theirs in variables, with one exception: on PyTorch a
    `Dropout` without `seed` draws from PyTorch's global generator. Data sets
    and callbacks may draw from any of them.
    """
    _, key, position, has_gauss, gauss = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [np.asarray(key).tolist(), position, has_gauss, gauss],
        "torch": [state.tolist() for state in _torch_states()],
    }


def set_generator_states(states: dict[str, Any]) -> None:
    """Restores the generators to the states of `generator_states`.

    PyTorch's are left alone if they were not saved, or if the number of
    devices has changed.

    >>> states = generator_states()
    >>> first = np.random.random()
    >>> set_generator_states(states)
    >>> np.random.random() == first
    True
    """
    version, key, gauss = states["python"]
    random.setstate((version, tuple(key), gauss))
    np.random.set_state(("MT19937", *states["numpy"]))
    count = len(_torch_states())
    if count == 0 or len(states["torch"]) != count:
        return
    import torch

    cpu, *devices = (
        torch.tensor(s, dtype=torch.uint8) for s in states["torch"]
    )
    torch.set_rng_state(cpu)
    torch.cuda.set_rng_state_all(devices)


def _torch_states() -> list[Any]:
    if keras.config.backend() != "torch":
        return []
    import torch

    return [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
