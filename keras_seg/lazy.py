"""Imports on first use, imports of optional packages, calls after an import."""

import contextlib
import importlib
import importlib.abc
import importlib.util
import sys
import types
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

__all__ = ["after_import", "getter", "hidden", "is_installed", "optional"]


def getter(package: str, files: Mapping[str, str]) -> Callable[[str], Any]:
    """Makes the `__getattr__` of a package, from names to the files with them.

    No file may have the name of its content: once imported, it would hide it.

    Example:

    >>> find = getter("keras_seg.data", {"Batches": "batches"})
    >>> find("floor")
    Traceback (most recent call last):
    AttributeError: module 'keras_seg.data' has no attribute 'floor'
    """

    def find(name: str) -> Any:
        if name not in files:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}"
            )
        module = importlib.import_module(f"{package}.{files[name]}")
        return getattr(module, name)

    return find


@contextlib.contextmanager
def hidden(names: Iterable[str]) -> Iterator[None]:
    """Context in which some packages look as if they were not installed.

    Those that are already imported stay. For libraries that import whatever
    they find, used or not.

    Example:

    >>> with hidden(["this"]):
    ...     import this
    Traceback (most recent call last):
    ModuleNotFoundError: import of this halted; None in sys.modules
    """
    gone = [name for name in names if name not in sys.modules]
    # What Python's import system takes for a package that is not there.
    sys.modules.update(dict.fromkeys(gone))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in gone:
            del sys.modules[name]


def after_import(name: str, call: Callable[[], object]) -> None:
    """Calls a function once a package is imported: now, if it already is.

    Example:

    >>> after_import("sys", lambda: print("there"))
    there
    """
    if sys.modules.get(name) is not None:
        call()
    else:
        sys.meta_path.insert(0, _Watch(name, call))


class _Watch(importlib.abc.MetaPathFinder):
    """Finds a package as others do, and runs a function after its code."""

    def __init__(self, name: str, call: Callable[[], object]):
        self._name = name
        self._call = call

    def find_spec(self, name, path=None, target=None):
        if name != self._name:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader
        run = loader.exec_module

        def run_and_call(module: types.ModuleType) -> None:
            run(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                self._call()

        loader.exec_module = run_and_call
        return spec


def is_installed(name: str) -> bool:
    """Whether a package can be imported, without importing it.

    Example:

    >>> is_installed("math"), is_installed("no_such_package")
    (True, False)
    """
    return importlib.util.find_spec(name) is not None


def optional(name: str, extra: str, user: str) -> Any:
    """Imports a module that an extra of keras-seg installs.

    If it is missing, the `ImportError` says what needs it and names the extra.

    Example:

    >>> optional("math", "classical", "`circle`").floor(1.5)
    1
    >>> optional("no_such_package", "classical", "`circle`")
    Traceback (most recent call last):
    ImportError: `circle` needs no_such_package. Fix: pip install
        'keras-seg[classical]'
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{user} needs {name.partition('.')[0]}. Fix: "
            f"pip install 'keras-seg[{extra}]'"
        ) from error
