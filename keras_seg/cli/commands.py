"""The commands under one name, and what becomes of their errors."""

from typing import Annotated

import typer
from typer.core import TyperGroup

import keras_seg
from keras_seg.cli import console
from keras_seg.cli.check import check
from keras_seg.cli.demo import demo
from keras_seg.cli.evaluate import evaluate
from keras_seg.cli.export import export
from keras_seg.cli.predict import predict
from keras_seg.cli.train import train

__all__ = ["app", "main"]


class Commands(TyperGroup):
    """Turns a user's mistake into a sentence and exit code 1."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            console.complain("Interrupted.")
            raise typer.Exit(130) from None
        except (ValueError, OSError) as error:
            if ctx.params.get("debug"):
                raise
            console.complain(str(error))
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(value: bool):
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
        typer.Option("--debug", help="Show where in the code an error arose."),
    ] = False,
):
    """Any Keras image classifier as a semantic segmentation network.

    KERAS_BACKEND chooses tensorflow, jax or torch.
    """


for command in (demo, check, train, evaluate, predict, export):
    app.command()(command)


def main():
    """Runs the command line; the entry point of `keras-seg`.

    Exit codes: 0 done; 1 a mistake in files or settings, in one sentence on
    the standard error; 2 a mistake in the command; 3 the data has failed the
    check; 130 interrupted.
    """
    app(prog_name="keras-seg")
