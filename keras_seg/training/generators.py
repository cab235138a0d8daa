"""The random generators of a process, as something JSON can hold."""

import random

import keras
import numpy as np

__all__ = ["generator_states", "set_generator_states"]


def generator_states():
    """The states of the global generators of Python, NumPy and PyTorch.

    A layer of Keras keeps the state of its own in a variable, with one
    exception: on PyTorch a `Dropout` without `seed` draws from PyTorch's
    global generator. A data set or a callback may draw from any of them.

    Returns:
        Dictionary of lists and numbers, for `set_generator_states`.
    """
    _, key, position, has_gauss, gauss = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [np.asarray(key).tolist(), position, has_gauss, gauss],
        "torch": [state.tolist() for state in _torch_states()],
    }


def set_generator_states(states):
    """Puts the generators back into the states they had.

    PyTorch's are left alone if they were not saved, or if the number of its
    devices has changed.

    Args:
        states: dictionary from `generator_states`.

    Example:

    >>> import numpy as np
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


def _torch_states():
    if keras.config.backend() != "torch":
        return []
    import torch

    return [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
