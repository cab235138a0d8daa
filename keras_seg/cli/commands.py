"""The commands of `keras-seg`, and how their errors are reported."""

import inspect
import re
import signal
import sys
import typing
from typing import Annotated
from typing import Any

import typer
from typer.core import TyperCommand
from typer.core import TyperGroup

import keras_seg
from keras_seg.atomic import WriteError
from keras_seg.atomic import os_sentence
from keras_seg.cli import console
from keras_seg.cli.check import check
from keras_seg.cli.convert import convert
from keras_seg.cli.demo import demo
from keras_seg.cli.doctor import doctor
from keras_seg.cli.evaluate import evaluate
from keras_seg.cli.export import export
from keras_seg.cli.models import models
from keras_seg.cli.predict import predict
from keras_seg.cli.push import push
from keras_seg.cli.rank import rank
from keras_seg.cli.serve import serve
from keras_seg.cli.train import train
from keras_seg.cli.tune import tune

__all__ = ["app", "sentence_of"]


# In the errors of TensorFlow, JAX and PyTorch.
NO_MEMORY = re.compile(
    "RESOURCE_EXHAUSTED|OOM when|[Oo]ut of memory|can't allocate memory"
)

# From names in Python to the parameters that stand for them here.
OTHER_NAMES = {"tiles": "tile", "size": "tile", "class_table": "classes"}


class Commands(TyperGroup):
    """Reports a user's mistake in a sentence, with exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        console.name_options({})
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except KeyboardInterrupt as error:
            console.complain(str(error) or "Interrupted.")
            number = getattr(error, "number", signal.SIGINT)
            raise typer.Exit(128 + number) from None
        except BrokenPipeError:
            raise typer.Exit(141) from None
        except Exception as error:
            text = sentence_of(error)
            if text is None or ctx.params.get("debug"):
                raise
            console.complain(text)
            raise typer.Exit(1) from None


class Command(TyperCommand):
    """Lists options in groups, as plain text that fits 80 columns."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            text = number_sentence(self, error.param, given)
            if text is None:
                raise
            console.complain(text)
            raise typer.Exit(2) from None

    def invoke(self, ctx: Any) -> Any:
        options = {
            parameter.name: parameter.opts[0]
            for parameter in self.params
            if parameter.param_type_name == "option"
        }
        for name, parameter in OTHER_NAMES.items():
            if parameter in options:
                options.setdefault(name, options[parameter])
        console.name_options(options)
        return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                name = "Arguments" if is_argument else "Options"
                name = getattr(parameter, "rich_help_panel", None) or name
                groups.setdefault(name, []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)


def number_sentence(
    command: TyperCommand, parameter: Any, given: list[str]
) -> str | None:
    """The sentence for an option that takes a number, and was given another.

    Read from the function of the command, as releases of typer differ in what
    they say and keep. None for options of other kinds.
    """
    function: Any = inspect.unwrap(command.callback)  # type: ignore[arg-type]
    hint = typing.get_type_hints(function, include_extras=True)[parameter.name]
    kind, info = typing.get_args(hint)
    kinds = set(typing.get_args(kind) or [kind]) - {type(None)}
    if not kinds <= {int, float}:
        return None
    many = typing.get_origin(kind) is tuple
    amount = "two numbers" if many else "a number"
    if kinds == {int}:
        amount = "a whole number"
    if info.min is not None:
        upper = " or more" if info.max is None else f" to {info.max}"
        amount += f" of {info.min}{upper}"
    default = inspect.signature(function).parameters[parameter.name].default
    shown = " ".join(map(str, default)) if many else default
    named = re.search(r"such as (\S*\d)", info.help or "")
    example = named[1] if named else shown
    such = "" if example is None else f", such as {example}"
    words = " ".join(given).replace("=", " ").split()
    values = [
        " ".join(words[place + 1 : place + (3 if many else 2)])
        for place, word in enumerate(words)
        if word in parameter.opts
    ]
    received = f" Received: {values[-1]}" if values else ""
    return f"{parameter.opts[0]} takes {amount}{such}.{received}"


def sentence_of(error: Exception) -> str | None:
    """The sentence for an error; None for a bug."""
    if isinstance(error, OSError) and error.errno is not None:
        is_ours = isinstance(error, WriteError)
        return str(error) if is_ours else os_sentence(error)
    if isinstance(error, UnicodeEncodeError):
        return (
            f"{error.object[:80]}: a library takes only names that are UTF-8 "
            "text, and this one is not. Fix: rename it."
        )
    if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
        return (
            "There is not enough memory. Fix: take smaller images, tiles or "
            "batches, or a machine with more."
        )
    # Raised by `Path.resolve` until Python 3.12.
    if isinstance(error, RuntimeError) and "Symlink loop" in str(error):
        return f"{error}. Fix: remove the links that point at each other."
    # Of `keras_seg.lazy.optional`.
    if isinstance(error, ImportError) and "Fix: pip install" in str(error):
        return str(error)
    return str(error) if isinstance(error, ValueError | OSError) else None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    # Tables leave 20 columns to a sentence in a terminal of 80.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        console.say(f"keras-seg {keras_seg.__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Print the version.",
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show the traceback of an error."),
    ] = False,
) -> None:
    """Turn any Keras image classifier into a segmentation network.

    KERAS_BACKEND chooses tensorflow, jax or torch.
    """


for command in (
    *(
        demo,
        check,
        convert,
        train,
        evaluate,
        predict,
        rank,
        serve,
        export,
        push,
    ),
    *(models, doctor),
):
    app.command(cls=Command)(command)
app.command(
    cls=Command,
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
    },
)(tune)
