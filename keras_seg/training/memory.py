"""How much memory things take."""

import math
import re
import sys

import keras

__all__ = ["in_words", "peak_memory", "variable_bytes"]


def variable_bytes(variables):
    """The bytes of the values of Keras variables.

    Args:
        variables: iterable of `keras.Variable`.

    Returns:
        int.

    Example:

    >>> import keras
    >>> variable_bytes([keras.Variable([[1.0, 2.0]], dtype="float32")])
    8
    """
    return sum(
        math.prod(variable.shape) * _bytes_each(variable.dtype)
        for variable in variables
    )


def peak_memory():
    """The most memory that was in use at once since the process began.

    Returns:
        Tuple (bytes, where): of the first accelerator, if the backend has
        one and counts; else of the whole process, the backend's own
        libraries included. (None, where) if the system does not tell.

    Example:

    >>> count, where = peak_memory()
    >>> count is None or count > 2**20
    True
    """
    backend = keras.config.backend()
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            name = torch.cuda.get_device_name(0)
            return torch.cuda.max_memory_allocated(0), name
    if backend == "jax":
        import jax

        device = jax.local_devices()[0]
        counts = device.memory_stats() if device.platform != "cpu" else None
        if counts:
            return counts["peak_bytes_in_use"], device.device_kind
    if backend == "tensorflow":
        import tensorflow

        if tensorflow.config.list_physical_devices("GPU"):
            counts = tensorflow.config.experimental.get_memory_info("GPU:0")
            return counts["peak"], "GPU:0"
    return _peak_of_process(), "the whole process"


def in_words(count):
    """Bytes as text, "1.5 GiB" or "12 MiB".

    Example:

    >>> in_words(3 * 2**29), in_words(12 * 2**20)
    ('1.5 GiB', '12 MiB')
    """
    if count >= 2**30:
        return f"{count / 2**30:.1f} GiB"
    return f"{count / 2**20:.0f} MiB"


def _peak_of_process():
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _bytes_each(dtype):
    bits = re.search(r"\d+", keras.backend.standardize_dtype(dtype))
    return int(bits.group()) // 8 if bits else 1
