"""Start of the command line: streams, signals, the backend of Keras.

Nothing that takes time is imported before signals are handled.
"""

import codecs
import contextlib
import importlib
import json
import os
import pathlib
import signal
import sys
import threading
import types
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from keras_seg.lazy import hidden
from keras_seg.lazy import is_installed

__all__ = [
    "BackendError",
    "Ended",
    "flush_output",
    "install_command",
    "main",
    "mend_streams",
    "prefer_backend",
    "use_backend",
]

BACKENDS = ("tensorflow", "jax", "torch")
# Keras and TensorFlow import these where they find them, which takes half of
# their time, for interfaces that no command uses.
UNUSED = ("IPython", "matplotlib", "pandas", "sklearn")
# Seconds from a signal to the end of the process, whatever catches it.
SECONDS = 10
# A copy of the standard error while a signal ends the process at once.
_errors = None


class Ended(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP asks the process to end."""

    def __init__(self, number: int):
        name = signal.Signals(number).name
        text = "Interrupted." if name == "SIGINT" else f"Ended by {name}."
        super().__init__(text)
        self.number = number


def main() -> None:
    """Runs the command line; the entry point of `keras-seg`.

    Exit codes: 0 for success; 1 for a mistake in files or settings, explained
    on the standard error; 2 for a mistake in the command; 3 if the data fail
    the check; 128 plus the number of a signal that ended it, such as 130
    after Ctrl-C; 141 if nobody reads the output any more.
    """
    mend_streams()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        known = signal.SIG_DFL, signal.default_int_handler
        # Under nohup, and in the background, some are ignored.
        if number and signal.getsignal(number) in known:
            signal.signal(number, _end)
    with _at_once():
        from keras_seg.cli.commands import app
    try:
        app(prog_name="keras-seg")
    except OSError as error:  # Of --help and --version.
        print(error.strerror or error, file=sys.stderr)
        raise SystemExit(1) from None
    except SystemExit as end:
        # JAX may crash where Python waits for its threads at the end.
        if isinstance(end.code, int) and end.code > 128:
            flush_output()
            os._exit(end.code)
        raise
    finally:
        flush_output()


def _end(number: int, frame: types.FrameType | None) -> None:
    error = Ended(number)
    if _errors is not None:
        os.write(_errors, f"{error}\n".encode())
        os._exit(128 + number)
    # JAX swallows exceptions in some places. The next command then removes
    # half-written files.
    timer = threading.Timer(SECONDS, os._exit, [128 + number])
    timer.daemon = True
    timer.start()
    raise error


@contextlib.contextmanager
def _at_once() -> Iterator[None]:
    """Lets a signal end the process at once, while libraries are imported.

    They swallow a `KeyboardInterrupt`, or turn it into another error.
    """
    global _errors
    # The standard error itself may be held back meanwhile.
    _errors = os.dup(2)
    try:
        yield
    finally:
        os.close(_errors)
        _errors = None


def mend_streams() -> None:
    """Makes sure that anything can be printed.

    A stream that was closed (`>&-`) becomes the null device; otherwise the
    next file that is opened would get its number and the output. Bytes of
    paths that are not text are printed as they are, characters outside the
    encoding of the terminal are escaped.
    """
    codecs.register_error("keras_seg", _readable)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            _open_null(number)
            mode = "w" if number else "r"
            stream = open(number, mode, encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
        if number and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="keras_seg")


def flush_output() -> None:
    """Prints what is buffered; if that fails, to the null device."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            _open_null(number)


def _open_null(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
    os.set_inheritable(number, True)


def _readable(error: Any) -> Any:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


class BackendError(ValueError):
    """There is no backend, or not the one that was asked for."""


def use_backend() -> None:
    """Chooses an installed backend and imports Keras with it.

    Every command that runs a Keras model begins with this. `KERAS_BACKEND` is
    obeyed. Without it, the backend in Keras's settings is taken if it is
    installed, or else the first one that is: Keras writes TensorFlow into its
    settings whether it is installed or not.
    """
    if "keras" in sys.modules:
        return
    installed = [name for name in BACKENDS if is_installed(name)]
    asked = os.environ.get("KERAS_BACKEND")
    if asked and asked not in BACKENDS:
        raise BackendError(
            f"KERAS_BACKEND must be one of {', '.join(BACKENDS)}. "
            f"Received: KERAS_BACKEND={asked}"
        )
    if not installed:
        extra = asked or "torch"
        raise BackendError(
            "Keras needs a backend, and none is installed: neither "
            f"TensorFlow, nor JAX, nor PyTorch. Fix: {install_command(extra)}."
        )
    if asked and asked not in installed:
        raise BackendError(
            f"KERAS_BACKEND is {asked}, which is not installed. "
            f"Fix: {install_command(asked)}, or set KERAS_BACKEND="
            f"{installed[0]}, which is."
        )
    from keras_seg.cli import console

    preferred = asked or _keras_setting()
    backend = preferred if preferred in installed else installed[0]
    os.environ["KERAS_BACKEND"] = backend
    if backend != preferred:
        console.complain(
            f"Using the backend {backend}: {preferred} is not installed "
            f"(KERAS_BACKEND={backend} says so without this line)."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Threads that wait in busy loops take the processor from each other.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    unused = UNUSED if backend == "jax" else (*UNUSED, "jax")
    with _at_once(), console.quiet(), hidden(unused):
        importlib.import_module("keras")


def prefer_backend(names: Iterable[str]) -> None:
    """Prefers some backends, the best first, unless `KERAS_BACKEND` is set."""
    for name in names:
        if is_installed(name):
            os.environ.setdefault("KERAS_BACKEND", name)
            return


def _keras_setting() -> str:
    """The backend in Keras's settings."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    try:
        text = (pathlib.Path(home) / "keras.json").read_text(encoding="utf-8")
        chosen = json.loads(text).get("backend", "tensorflow")
    except (OSError, ValueError, AttributeError):
        return "tensorflow"
    return chosen if chosen in BACKENDS else "tensorflow"


def install_command(extra: str) -> str:
    """The command that installs an extra of keras-seg, such as a backend."""
    return f'pip install "keras-seg[{extra}]"'
