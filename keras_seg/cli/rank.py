"""`keras-seg rank`: which images to annotate next."""

import os
import pathlib
from typing import Annotated

import typer

from keras_seg.atomic import check_writable
from keras_seg.cli import console
from keras_seg.cli.network import KINDS
from keras_seg.cli.network import open_network
from keras_seg.cli.network import say_tiles
from keras_seg.cli.options import Last
from keras_seg.cli.options import MaxPixels
from keras_seg.cli.options import Tile
from keras_seg.cli.options import set_limits
from keras_seg.cli.options import tiles_of

__all__ = ["rank"]

# Classes that are named for each image.
NAMED = 3


def rank(
    ctx: typer.Context,
    paths: Annotated[
        list[pathlib.Path],
        typer.Argument(
            metavar="[RUN] IMAGE...",
            help="The folder that keras-seg train wrote, or hf://USER/NAME, "
            "unless --model is given, and images without masks, videos, or "
            "folders of them.",
            show_default=False,
        ),
    ],
    model: Annotated[
        pathlib.Path | None,
        typer.Option(
            help=f"The network, in place of RUN: {KINDS}.", show_default=False
        ),
    ] = None,
    out: Annotated[
        pathlib.Path, typer.Option(help="Table to write.")
    ] = pathlib.Path("rank.csv"),
    count: Annotated[
        int, typer.Option(min=1, help="How many to print, such as 10.")
    ] = 10,
    last: Last = False,
    tile: Tile = None,
    max_pixels: MaxPixels = None,
) -> None:
    """Order images by how unsure a network is of them, for annotation.

    The entropy of a pixel's probabilities, averaged over the image, from 0,
    sure, to 1, all classes alike. The table has a line for each image or frame
    of a video, the least sure first, with the most probable classes.
    """
    images = paths
    if model is None:
        model, *images = paths
    if not images:
        raise typer.BadParameter("is missing.", ctx=ctx, param_hint="IMAGE")

    from keras_seg import inference
    from keras_seg.cli.predict_plan import output_names
    from keras_seg.data import DataError

    set_limits(max_pixels)
    files = list(output_names(images, out))
    check_writable(out)
    source = open_network(model, last)
    network = source.load()
    say_tiles(network, files)
    errors: list[DataError] = []
    with console.warnings_as_lines(UserWarning):
        found = inference.rank(
            network,
            files,
            tiles_of(tile),
            bit_depth=source.bit_depth,
            bands=source.bands,
            on_error=errors.append,
        )
    rows = []
    names = source.class_table.names
    for one in found:
        path, frame = one.source, ""
        if isinstance(path, tuple):
            path, frame = path
        shares = zip(names, one.probabilities.tolist(), strict=True)
        best = sorted(shares, key=lambda share: -share[1])[:NAMED]
        classes = [f"{name} {share:.2f}" for name, share in best]
        rows.append(
            {
                "image": os.fspath(path),
                "frame": frame,
                "entropy": f"{one.entropy:.4f}",
                "classes": ", ".join(classes),
            }
        )
    if rows:
        # Help is printed without Keras.
        from keras_seg.runs.files import write_table

        out.parent.mkdir(parents=True, exist_ok=True)
        write_table(out, rows)
        for row in rows[:count]:
            at = f", frame {row['frame']}" if row["frame"] != "" else ""
            console.say(
                f"{row['entropy']}  {row['image']}{at}: {row['classes']}"
            )
        console.say(f"Wrote {len(rows)} lines to {out}")
    for error in errors:
        console.complain(str(error))
    if errors:
        raise typer.Exit(1)
