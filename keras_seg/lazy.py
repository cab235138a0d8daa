"""Rooms whose pieces are imported when they are first used."""

import importlib

__all__ = ["getter"]


def getter(package, files):
    """Makes the `__getattr__` of a package.

    No file may be named as what it gives: an imported file would hide it.

    Args:
        package: str, `__name__` of the package.
        files: dictionary from names to the files of the package that have
            them.

    Example:

    >>> find = getter("keras_seg.data", {"Batches": "batches"})
    >>> find("floor")
    Traceback (most recent call last):
    AttributeError: module 'keras_seg.data' has no attribute 'floor'
    """

    def find(name):
        if name not in files:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}"
            )
        module = importlib.import_module(f"{package}.{files[name]}")
        return getattr(module, name)

    return find
