"""Steps that run as they come, on backends that need no compilation."""

__all__ = ["compiled", "repeat"]


def compiled(function):
    """The function as it is."""
    return function


def repeat(step, x, times):
    """`step(step(… x))`."""
    for _ in range(times):
        x = step(x)
    return x
