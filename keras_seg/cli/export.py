"""`keras-seg export`: a trained model as a file for another runtime."""

import pathlib
import shlex
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

from keras_seg.cli import console
from keras_seg.cli.options import Last
from keras_seg.cli.options import Run
from keras_seg.cli.options import parse_size
from keras_seg.cli.start import prefer_backend
from keras_seg.cli.start import use_backend
from keras_seg.deployment.formats import FORMATS
from keras_seg.deployment.formats import LAYOUTS
from keras_seg.deployment.formats import OUTPUTS
from keras_seg.deployment.formats import QUANTIZATIONS
from keras_seg.hub.names import is_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["export"]

KNOWN = {known.name: known for known in FORMATS}
# As the files are called: tflite for litert, pt2 for torch.
BY_SUFFIX = {known.suffix[1:]: known for known in FORMATS if known.suffix}
# Images that int8 is calibrated on; more change little.
MOST_SAMPLES = 100


def export(
    run: Run,
    format_name: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"What to write: {', '.join(KNOWN)}; tflite is litert.",
            autocompletion=lambda: list(KNOWN),
        ),
    ] = "onnx",
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="File to write, or folder of a tf_saved_model.",
            show_default="beside the model, or NAME of hf://USER/NAME",
        ),
    ] = None,
    last: Last = False,
    size: Annotated[
        str,
        typer.Option(
            metavar="N|HxW|none",
            help="For images of one size only; some backends need it.",
        ),
    ] = "none",
    output: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help=f"What it returns: {', '.join(OUTPUTS)}; scores are as the "
            "model gives them, mostly logits, ids one byte a pixel.",
            autocompletion=lambda: list(OUTPUTS),
        ),
    ] = OUTPUTS[0],
    layout: Annotated[
        str,
        typer.Option(
            metavar="|".join(LAYOUTS),
            help="Whether channels come last, or, as nchw, first.",
        ),
    ] = LAYOUTS[0],
    opset: Annotated[
        int | None,
        typer.Option(
            help="Version of ONNX's operations, such as 17.",
            show_default="the converter's choice",
        ),
    ] = None,
    ir_version: Annotated[
        int | None,
        typer.Option(
            help="Version of ONNX's files, such as 8 for older runtimes.",
            show_default="the converter's choice",
        ),
    ] = None,
    resolution: Annotated[
        float | None,
        typer.Option(
            metavar="CM",
            help="Ground that a pixel covers, for QGIS's Deepness.",
            show_default=False,
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help=f"Smaller numbers, for litert: {' or '.join(QUANTIZATIONS)}.",
            show_default="float32",
        ),
    ] = None,
    samples: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder of images that int8 is fitted to.",
            show_default=False,
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(help="Run what was written, and compare with the model."),
    ] = True,
) -> None:
    """Write a trained model for a runtime that needs no Python.

    The file takes RGB images of 0...255, which it preprocesses by itself, and
    returns scores, or what --output says. The classes and their colors are in
    it, or in a .json beside it. It is kept only if it says what the model says.
    """
    known = (BY_SUFFIX | KNOWN).get(format_name.lower())
    if known is None:
        raise typer.BadParameter(
            f"must be one of {', '.join(KNOWN)}. Received: {format_name}",
            param_hint="--format",
        )
    if out is not None and out.suffix != known.suffix:
        raise typer.BadParameter(
            f"{known.title} is written to a "
            + (f"file *{known.suffix}." if known.suffix else "folder.")
            + f" Received: {out}",
            param_hint="--out",
        )
    for option, value, allowed in (
        ("--output", output, OUTPUTS),
        ("--layout", layout, LAYOUTS),
    ):
        if value not in allowed:
            raise typer.BadParameter(
                f"must be one of {', '.join(allowed)}. Received: {value}",
                param_hint=option,
            )
    side = parse_size("--size", size)
    prefer_backend(known.backends)
    use_backend()

    from keras_seg import deployment
    from keras_seg import runs
    from keras_seg.inference.scores import warn_of_weights

    folder = runs.RunFolder.open(run)
    if out is None:
        # The Hub's cache is not to be written to.
        beside = folder.model_path(best=not last)
        own = pathlib.Path(run.name) if is_name(run) else beside.with_suffix("")
        out = own.with_name(own.name + known.suffix)
    model = folder.load_model(best=not last)
    images = None
    if samples is not None:
        images = _images(samples, side, model)
    with console.warnings_as_lines(UserWarning):
        warn_of_weights(model)
    with console.quiet():
        written = deployment.export(
            model,
            out,
            class_table=folder.class_table,
            size=side,
            output=output,
            layout=layout,
            quantization=quantize,
            samples=images,
            verify=verify,
            opset=opset,
            ir_version=ir_version,
            resolution=resolution,
        )
    taken = "any size" if side is None else f"{side[0]}×{side[1]} pixels"
    console.say(
        f"Wrote {out}: {known.title}, {written.bytes / 1e6:.1f} MB, for "
        f"images of {taken}."
    )
    differing = "scores differ"
    if output == "ids":
        differing = "of others the scores are smaller"
    for found in written.agreements:
        console.say(
            f"At {found.size[0]}×{found.size[1]} {found.same_class:.2%} of "
            f"the pixels get the model's class; {differing} by at most "
            f"{found.difference:.1e}, the largest is {found.scale:.3g}."
        )
    quoted = shlex.quote(str(out))
    console.say(f"Next: keras-seg predict --model {quoted} IMAGE...")


def _images(
    folder: pathlib.Path,
    size: tuple[int, int] | None,
    model: Any,
) -> "list[NDArray]":
    """Images of a folder, resized if the network takes only one size."""
    from keras_seg.data import find_images
    from keras_seg.data import read_image
    from keras_seg.data.augment.scaling import resize_image
    from keras_seg.score_form import how_read

    files = find_images([folder])[:MOST_SAMPLES]
    bit_depth, bands = how_read(model)
    images = (
        read_image(file, bit_depth=bit_depth, bands=bands) for file in files
    )
    return [
        image if size is None else resize_image(image, size) for image in images
    ]
