"""`keras-seg tune`: searches settings for a folder of images and masks."""

import json
import pathlib
from typing import Annotated
from typing import Any

import typer

from keras_seg.cli import console
from keras_seg.cli.options import parse_time
from keras_seg.cli.options import refuse_options

__all__ = ["tune"]

# Options of train that a search has no use for.
WITHOUT = (
    *("resume", "dry_run", "overfit", "time", "json_lines"),
    *("devices", "process", "coordinator", "hosts"),
)


def tune(
    ctx: typer.Context,
    data: Annotated[
        pathlib.Path,
        typer.Argument(help="Folder of images and masks.", show_default=False),
    ],
    trials: Annotated[
        int, typer.Option(min=1, help="How many settings to try.")
    ] = 20,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time of the whole search, such as 2h, shared equally.",
            show_default="what the epochs take",
        ),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LOW..HIGH|NAME=A,B,C",
            help="What to search, once for each setting, such as "
            "learning_rate=1e-4..1e-2 or loss=cross_entropy,ohem.",
            show_default="learning_rate, loss, size and, with downloaded "
            "weights, backbone",
        ),
    ] = None,
    out: Annotated[
        pathlib.Path,
        typer.Option(help="Folder to write, or of a search to go on with."),
    ] = pathlib.Path("tuned"),
) -> None:
    """Search settings: train with many, and keep the best run.

    What is not searched is as for keras-seg train, all of whose options can
    follow, --config among them.
    """
    seconds = None if time is None else parse_time("--time", time)
    space = dict(map(parse_search, search or []))

    def flow(plan: Any, _: pathlib.Path, reporter: Any) -> None:
        from keras_seg import training
        from keras_seg.cli import train_flow

        settings, folder, held_out = train_flow.prepared(plan, reporter)
        if held_out is None:
            raise ValueError(
                "A search compares settings on images that are held out, and "
                "there are none. Fix: leave --val-fraction 0 out."
            )
        with console.warnings_as_lines(training.RunWarning):
            rows = training.tune(
                settings,
                folder,
                held_out,
                out,
                space or None,
                trials=trials,
                seconds=seconds,
                source=plan.source,
                say=reporter.say,
            )
        shown = [[_cell(value) for value in row.values()] for row in rows]
        if reporter.text and shown:
            console.show_table(list(rows[0]), shown)
        best = "best/, " if (out / "best").is_dir() else ""
        reporter.say(f"Wrote {out}: {best}trials.csv, study.log, tune.json")

    parent: Any = ctx.parent
    command = parent.command.get_command(parent, "train")
    rest = [str(data), *ctx.args]
    with command.make_context("train", rest, parent=parent, obj=flow) as sub:
        names = [x.name for x in command.params if x.name not in WITHOUT]
        refuse_options(sub, names, "is of keras-seg train, not of tune.")
        command.invoke(sub)


def parse_search(text: str) -> tuple[str, Any]:
    """Returns what is searched of a setting: a range or a list.

    Example:

    >>> parse_search("learning_rate=1e-4..1e-2")
    ('learning_rate', (0.0001, 0.01))
    >>> parse_search("loss=cross_entropy,ohem")
    ('loss', ['cross_entropy', 'ohem'])
    """
    name, equals, values = text.partition("=")
    low, dots, high = values.partition("..")
    found: Any = tuple(map(_value, (low, high)))
    if not dots:
        found = [_value(part) for part in values.split(",")]
    elif not all(isinstance(x, int | float) for x in found):
        equals = ""
    if not (name and equals and values):
        raise typer.BadParameter(
            "what is searched is NAME=LOW..HIGH, of numbers, or NAME=A,B,C. "
            f"Received: {text}",
            param_hint="--search",
        )
    return name.strip().replace("-", "_"), found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None if text == "none" else text


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
