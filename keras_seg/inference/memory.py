"""Whether an error says that memory did not suffice."""

__all__ = ["is_out_of_memory"]

# Of TensorFlow and PyTorch; the backends' packages are not imported for it.
NAMES = {"ResourceExhaustedError", "OutOfMemoryError"}
# Of XLA, of PyTorch's older versions and of its CPU.
WORDS = ("resource_exhausted", "out of memory", "can't allocate memory")


def is_out_of_memory(error):
    """Whether an exception is Python's, or a backend's, of too little memory.

    Args:
        error: an exception.

    Example:

    >>> is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    True
    >>> is_out_of_memory(RuntimeError("shape mismatch"))
    False
    """
    if isinstance(error, MemoryError) or type(error).__name__ in NAMES:
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(w in text for w in WORDS)
