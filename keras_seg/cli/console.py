"""What the commands print: lines, tables, complaints, progress."""

import contextlib
import sys

from rich.console import Console
from rich.progress import BarColumn
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import TextColumn
from rich.progress import TimeRemainingColumn
from rich.table import Table

__all__ = ["complain", "fit_verbosity", "progress", "say", "show_scores"]


def say(text=""):
    """Prints a line, unbroken, so that paths can be copied."""
    _console().print(text, soft_wrap=True, markup=False, highlight=False)


def complain(text):
    """Prints a line to the standard error."""
    Console(stderr=True).print(
        text, soft_wrap=True, markup=False, highlight=False
    )


def show_scores(evaluation, title):
    """Prints the table of the scores of each class, and the means.

    Args:
        evaluation: `keras_seg.inference.Evaluation`.
        title: str.
    """
    total = max(1, int(evaluation.matrix.sum()))
    table = Table()
    table.add_column("class")
    for name in ("IoU", "accuracy", "pixels"):
        table.add_column(name, justify="right")
    for row in evaluation.rows():
        table.add_row(
            row["name"],
            _number(row["iou"]),
            _number(row["accuracy"]),
            f"{100 * row['pixels'] / total:.1f} %",
        )
    scores = evaluation.scores
    table.add_section()
    table.add_row(
        "mean", _number(scores.mean_iou), _number(scores.mean_accuracy)
    )
    say(title)
    _console().print(table)


def fit_verbosity():
    """Keras's progress bar in a terminal, a line an epoch elsewhere."""
    return 1 if sys.stdout.isatty() else 2


@contextlib.contextmanager
def progress(text, total):
    """A bar on the standard error, if that is a terminal; gone at the end.

    Gives a function of the number done.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn(text, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(text, total=total)
        yield lambda done: bar.update(task, completed=done)


def _console():
    # A new one each time: the standard output may have been redirected.
    return Console()


def _number(value):
    return "-" if value != value else f"{value:.3f}"
