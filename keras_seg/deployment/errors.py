"""What cannot be exported, or is no exported network."""

__all__ = ["ExportError", "first_line"]


class ExportError(ValueError):
    """A network is not exported, or a file not run; the message says why."""


def first_line(error):
    """What a library says of its error, without what it adds for its makers.

    Example:

    >>> first_line(RuntimeError("no such op: Foo\\n  at graph.cc:15"))
    'no such op: Foo'
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
