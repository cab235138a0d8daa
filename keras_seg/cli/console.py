"""Output of the commands: lines, tables, warnings, progress."""

import ast
import contextlib
import io
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import ProgressColumn
from rich.progress import TextColumn
from rich.progress import TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from keras_seg.words import duration

__all__ = [
    "complain",
    "fit_verbosity",
    "in_options",
    "listening",
    "mean_of",
    "name_options",
    "progress",
    "quiet",
    "say",
    "show_scores",
    "show_table",
    "warn",
    "warnings_as_lines",
]


SECONDS_BETWEEN_LINES = 30
# From the parameters of the running command to its options.
_OPTIONS: dict[str, str] = {}
# A value in a text; a full stop behind it is not a part of it.
_VALUE = r"""\{[^}]*\}|\[[^]]*\]|\([^)]*\)|'[^']*'|"[^"]*"|[^\s,;]*[^\s,;.]"""


def say(text: str = "") -> None:
    """Prints a line without wrapping it, so that paths can be copied."""
    _Console().print(text, soft_wrap=True, markup=False, highlight=False)


def complain(text: str) -> None:
    """Prints a line to the standard error, if that is possible.

    It names options in place of Python arguments, see `in_options`.
    """
    with contextlib.suppress(OSError):
        Console(stderr=True).print(
            in_options(text), soft_wrap=True, markup=False, highlight=False
        )


def name_options(options: Mapping[str, str]) -> None:
    """Sets the options that `in_options` names, by their Python names."""
    _OPTIONS.clear()
    _OPTIONS.update(options)


def in_options(text: str) -> str:
    """Names options of the running command in place of Python arguments.

    Example:

    >>> name_options({"mask_values": "--mask-values", "weights": "--weights"})
    >>> in_options("Read them with mask_values={0: 0, 255: 1}, on the command "
    ...            "line --mask-values 0:0,255:1.")
    'Read them with --mask-values 0:0,255:1.'
    >>> in_options("`weights` must be None or a path. Received: weights='a.b'")
    '--weights must be none or a path. Received: --weights a.b'
    >>> name_options({})
    """
    if not _OPTIONS:
        return text
    names = "|".join(map(re.escape, _OPTIONS))
    named = re.sub(
        rf"(?<![\w./-])`?\b({names})(?:`|=({_VALUE})|(?![\w/=-]|\.\w))",
        _as_option,
        text,
    )
    if named == text:
        return text
    named = re.sub(r"\bNone\b", "none", named)
    # Texts that are read in Python and on the command line name both.
    return re.sub(r"(--\S+(?: \S+)?), on the command line \1", r"\1", named)


def _as_option(found: re.Match) -> str:
    name, value = found.groups()
    if value is None:
        # A word such as `size` is an argument only where it is marked so.
        is_word = "_" not in name and "`" not in found[0]
        return found[0] if is_word else _OPTIONS[name]
    with contextlib.suppress(ValueError, SyntaxError):
        value = ast.literal_eval(value)
    if value is True:
        return _OPTIONS[name]
    if isinstance(value, dict):
        value = ",".join(f"{key}:{item}" for key, item in value.items())
    elif isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    return f"{_OPTIONS[name]} {value}"


def warn(text: Any) -> None:
    """Prints a warning to the standard error, if there is a text."""
    if text:
        complain(f"Warning: {text}")


def show_scores(rows: list[dict[str, Any]], title: str) -> None:
    """Prints the table of `Evaluation.rows` and the means."""
    total = max(1, sum(row["pixels"] for row in rows))
    table = Table()
    table.add_column("class")
    for name in ("IoU", "accuracy", "pixels"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["name"],
            _number(row["iou"]),
            _number(row["accuracy"]),
            f"{100 * row['pixels'] / total:.1f} %",
        )
    table.add_section()
    means = [mean_of(row[name] for row in rows) for name in ("iou", "accuracy")]
    table.add_row("mean", *map(_number, means))
    say(title)
    _Console().print(table)


def show_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table whose columns of numbers are aligned to the right."""
    rows = list(rows)
    table = Table()
    for name, cells in zip(names, zip(*rows, strict=True), strict=True):
        numbers = all(x.replace(".", "").isdecimal() for x in cells if x)
        justify: Any = "right" if numbers else "left"
        table.add_column(name, justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    _Console().print(table)


def mean_of(values: Iterable[float]) -> float:
    """The mean of the values that are not NaN; NaN if there are none."""
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")


def fit_verbosity() -> int:
    """Keras's progress bar in a terminal, one line per epoch elsewhere."""
    return 1 if sys.stdout.isatty() else 2


@contextlib.contextmanager
def progress(text: str, total: int | None = None) -> Iterator[Callable]:
    """Shows a progress bar on the standard error, with the time left.

    Where that is no terminal, it prints a line each time another tenth is
    done, no more than one in 30 seconds. Yields a function of the number done
    and, if it was not known before, the total.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(text, total)
        return
    bar = Progress(
        TextColumn(text, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task(text, total=total)
        yield lambda done, total=total: bar.update(
            task, completed=done, total=total
        )


class _Lines:
    """Progress as lines, see `progress`."""

    def __init__(self, text: str, total: int | None):
        self._text, self._total = text, total
        self._begin = self._last = time.monotonic()
        self._tenth = 0

    def __call__(self, done: int, total: int | None = None) -> None:
        total = self._total if total is None else total
        if not total or not done:
            return
        now, tenth = time.monotonic(), 10 * done // total
        if tenth == self._tenth or now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last, self._tenth = now, tenth
        left = (now - self._begin) * (total - done) / done
        complain(f"{self._text}: {done} of {total}, {duration(left)} left")


@contextlib.contextmanager
def warnings_as_lines(category: type[Warning]) -> Iterator[None]:
    """Prints warnings of a category without file name and line number."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", category)
        others = warnings.showwarning

        def show(message: Any, kind: Any, *args: Any, **options: Any) -> None:
            if issubclass(kind, category):
                warn(message)
            else:
                others(message, kind, *args, **options)

        warnings.showwarning = show  # type: ignore[assignment]
        yield


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """Keeps the lines that are printed inside, for where they are read.

    Example:

    >>> with listening() as lines:
    ...     warn("of a worker")
    >>> lines
    ['Warning: of a worker']
    """
    text, lines = io.StringIO(), list[str]()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        yield lines
    lines += text.getvalue().splitlines()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Holds back what libraries print to the standard error.

    It redirects the file descriptor, to which TensorFlow writes before it reads
    any setting. An exception other than a `ValueError` prints it after all.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except ValueError:
            raise
        except BaseException:
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


class _Console(Console):
    """Raises `BrokenPipeError` where rich would end the process.

    A new one for each output, as the standard output may be redirected.
    """

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class _Speed(ProgressColumn):
    """Steps per second."""

    def render(self, task: Any) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"
