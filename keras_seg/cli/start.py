"""From the first line to a command: streams, signals, imports."""

import codecs
import contextlib
import os
import signal
import sys
import threading

__all__ = ["Ended", "at_once", "flush_output", "main", "mend_streams"]


# From a signal to the end, whatever catches the exception.
SECONDS = 10
# Where to say that a signal ended the process; None where it has more to do.
_errors = None


class Ended(KeyboardInterrupt):
    """A signal asks the process to end: SIGINT, SIGTERM, SIGHUP.

    Args:
        number: int, that of the signal.
    """

    def __init__(self, number):
        name = signal.Signals(number).name
        text = "Interrupted." if name == "SIGINT" else f"Ended by {name}."
        super().__init__(text)
        self.number = number


def main():
    """Runs the command line; the entry point of `keras-seg`.

    Exit codes: 0 done; 1 a mistake in files or settings, in one sentence on
    the standard error; 2 a mistake in the command; 3 the data has failed the
    check; 130 interrupted, and 128 more than the number of another signal
    that ends a process; 141 nobody reads the output any more.
    """
    mend_streams()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        known = signal.SIG_DFL, signal.default_int_handler
        # Under nohup, and in the background, some are ignored.
        if number and signal.getsignal(number) in known:
            signal.signal(number, _end)
    with at_once():
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


def _end(number, frame):
    error = Ended(number)
    if _errors is not None:
        os.write(_errors, f"{error}\n".encode())
        os._exit(128 + number)
    # JAX swallows exceptions in some places. What is half-written then is
    # cleared by the next command.
    timer = threading.Timer(SECONDS, os._exit, [128 + number])
    timer.daemon = True
    timer.start()
    raise error


@contextlib.contextmanager
def at_once():
    """Within, a signal ends the process at once: nothing is written yet.

    Libraries that are being imported swallow a `KeyboardInterrupt`, or make
    another error of it.
    """
    global _errors
    # Others may hold back what is printed to the standard error meanwhile.
    _errors = os.dup(2)
    try:
        yield
    finally:
        os.close(_errors)
        _errors = None


def mend_streams():
    """Makes all that is printed printable.

    A stream that was closed (`>&-`) becomes the null device: a file that is
    opened later would take its number, and what is printed. Bytes of paths
    that are no text come out as they are, and characters that the encoding
    of the terminal does not have by their number.
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


def flush_output():
    """Prints what waits; what can't be printed goes to the null device."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            _open_null(number)


def _open_null(number):
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
    os.set_inheritable(number, True)


def _readable(error):
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)
