"""`keras-seg push`: publishes a run on the Hugging Face Hub."""

import pathlib
from typing import Annotated

import typer

from keras_seg.cli import console
from keras_seg.cli.options import Run
from keras_seg.cli.start import use_backend
from keras_seg.words import count

__all__ = ["push"]


def push(
    run: Run,
    name: Annotated[
        str,
        typer.Argument(
            metavar="USER/NAME",
            help="The repository on the Hub, which is made if need be; "
            "USER/NAME@BRANCH for another branch than main.",
            show_default=False,
        ),
    ],
    private: Annotated[
        bool,
        typer.Option("--private", help="Only you see the repository."),
    ] = False,
    license: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="For the model card, such as apache-2.0.",
            show_default="none",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Files to leave out, such as state.npz, which only --resume "
            "needs, or 'samples/*'.",
            show_default=False,
        ),
    ] = None,
    message: Annotated[
        str | None,
        typer.Option(help="Of the commit.", show_default="Push RUN"),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be published."),
    ] = False,
) -> None:
    """Publish a finished run on the Hugging Face Hub, with its model card.

    hf://USER/NAME then stands wherever a run folder does. Log in before, with
    hf auth login, or set HF_TOKEN.
    """
    use_backend()

    from keras_seg import hub
    from keras_seg.hub.transfer import endpoint
    from keras_seg.runs import RunWarning

    files = hub.published(run, name, license=license, ignore_patterns=exclude)
    shown = [x for x in files if x.startswith("samples/") or "_worst." in x]
    named = [x for x in files if x.endswith("_images.csv")]
    data = files.get("data.json")
    # A list that is not empty.
    if isinstance(data, bytes) and b'"held_out": [\n' in data:
        named.append("data.json")
    readers = "only you see" if private else "everybody can see"
    console.say(
        f"{count(len(files), 'file')} for {endpoint()}/{name}, which "
        f"{readers}: your images are shown in {len(shown)} of them, their "
        f"names are in {' and '.join(named) or 'none'}, and absolute paths are "
        "left out of all texts."
    )
    console.show_table(
        ("file", "kB"),
        [
            (place, f"{_size(file) / 1e3:.1f}")
            for place, file in sorted(files.items())
        ],
    )
    if dry_run:
        console.say("Nothing was published.")
        return
    with console.warnings_as_lines(RunWarning):
        url = hub.push(
            run,
            name,
            private=private,
            commit_message=message,
            license=license,
            ignore_patterns=exclude,
        )
    console.say(f"Published {url}")
    console.say(f"Next: keras-seg predict hf://{name} IMAGE...")


def _size(file: bytes | pathlib.Path) -> int:
    return len(file) if isinstance(file, bytes) else file.stat().st_size
