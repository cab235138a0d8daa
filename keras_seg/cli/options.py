"""Options that several commands share, and how options are parsed."""

import json
import pathlib
import re
import shlex
from collections.abc import Collection
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

if TYPE_CHECKING:
    from keras_seg.inference import Tiles

__all__ = [
    "DATA",
    "Bands",
    "Binary",
    "BitDepth",
    "Gpus",
    "Last",
    "MaskValues",
    "MaxAnnotationBytes",
    "MaxPixels",
    "MissingClasses",
    "MultiLabel",
    "Ray",
    "Run",
    "SkipUnlabeled",
    "Threshold",
    "Tile",
    "Workers",
    "parse_numbers",
    "parse_option",
    "parse_size",
    "parse_time",
    "reading_options",
    "refuse_options",
    "set_limits",
    "tiles_of",
]

# Where a parameter's value comes from that was not left to its default.
GIVEN = ("COMMANDLINE", "DEFAULT_MAP")
# The group of options that say how files are read.
DATA = "Data"
# The group of options for several processes and machines.
RAY = "Several machines"

Bands = Annotated[
    str | None,
    typer.Option(
        metavar="BAND,...",
        help="Bands of the images to take as channels, in this order: numbers "
        "from 1, such as 4,3,2, or the descriptions of a GeoTIFF's.",
        show_default="those of the run, or red, green and blue",
        rich_help_panel=DATA,
    ),
]

BitDepth = Annotated[
    int | None,
    typer.Option(
        min=8,
        max=16,
        help="Bits that the values of 16-bit images have, such as 12.",
        show_default="what the largest value needs",
        rich_help_panel=DATA,
    ),
]

Last = Annotated[
    bool,
    typer.Option("--last", help="Take the last model, not the best."),
]

MaskValues = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE:ID,...",
        help="What the values of the masks mean, such as 0:0,255:1.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]

MaxAnnotationBytes = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Refuse larger files of annotations, which might fill the memory.",
        show_default="2,147,483,648",
        rich_help_panel=DATA,
    ),
]

Run = Annotated[
    pathlib.Path,
    typer.Argument(
        help="Folder that keras-seg train wrote, or hf://USER/NAME.",
        show_default=False,
    ),
]

SkipUnlabeled = Annotated[
    bool,
    typer.Option(
        "--skip-unlabeled",
        help="Leave out images that have no mask or no file of annotations.",
        rich_help_panel=DATA,
    ),
]

MissingClasses = Annotated[
    str | None,
    typer.Option(
        metavar="absent|void",
        help="What it means if a class has no file for an image, with "
        "--multi-label.",
        show_default="an error",
        rich_help_panel=DATA,
    ),
]

Binary = Annotated[
    bool,
    typer.Option(
        "--binary",
        help="One score a pixel, of the object, for data of two classes.",
        rich_help_panel="Training",
    ),
]

Threshold = Annotated[
    str | None,
    typer.Option(
        metavar="METRIC",
        help="With --binary or --multi-label: find the threshold of the "
        "largest iou, f1, mean_iou or accuracy on the validation images.",
        show_default="0.5",
        rich_help_panel="Training",
    ),
]

MultiLabel = Annotated[
    bool,
    typer.Option(
        "--multi-label",
        help="Classes may overlap: masks are stacks, or one file for each "
        "class.",
        rich_help_panel=DATA,
    ),
]

MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Refuse larger images, which might fill the memory.",
        show_default="178,956,970",
        rich_help_panel=DATA,
    ),
]


Ray = Annotated[
    str | None,
    typer.Option(
        metavar="local|ADDRESS",
        help="Spread the work over processes of this machine, or over those "
        "of a Ray cluster that sees the same files.",
        show_default=False,
        rich_help_panel=RAY,
    ),
]

Workers = Annotated[
    int,
    typer.Option(
        min=1,
        help="With --ray: processes, each of which loads the network.",
        rich_help_panel=RAY,
    ),
]

Gpus = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="With --ray: GPUs of each process, such as 0.5.",
        show_default="1 if there are any",
        rich_help_panel=RAY,
    ),
]

Tile = Annotated[
    int | None,
    typer.Option(
        min=64,
        help="Side of the tiles of large images: a multiple of 32, "
        "such as 512.",
        show_default="whole images",
    ),
]


def tiles_of(side: int | None) -> "Tiles | None":
    """The tiles of a side, which overlap by a quarter of it, 128 at most."""
    from keras_seg.inference import Tiles

    if side is None:
        return None
    return Tiles(side, overlap=min(128, side // 64 * 32))


def set_limits(
    max_pixels: int | None = None, max_annotation_bytes: int | None = None
) -> None:
    """Limits the sizes of files that are read; None keeps the limit."""
    from keras_seg.data.opening import limit_pixels
    from keras_seg.data.text import limit_annotations

    if max_annotation_bytes is not None:
        limit_annotations(max_annotation_bytes)
    if max_pixels is not None:
        limit_pixels(max_pixels)


def parse_numbers(
    option: str, text: str, low: float, high: float
) -> tuple[float, ...]:
    """Parses numbers from `low` to `high` that are separated by commas.

    Example:

    >>> parse_numbers("--scales", "0.5,1", 0.1, 10)
    (0.5, 1.0)
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(low <= number <= high for number in found):
        raise ValueError(
            f"{option} takes numbers from {low} to {high}, separated by "
            f"commas. Received: {text}"
        )
    return found


def parse_size(option: str, text: str) -> tuple[int, int] | None:
    """Returns "240x320" as (240, 320), "256" as (256, 256), "none" as None.

    Example:

    >>> [parse_size("--crop", text) for text in ("240x320", "256", "none")]
    [(240, 320), (256, 256), None]
    """
    if text.lower() == "none":
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise typer.BadParameter(
            "a size is a side such as 256, a height and a width such as "
            f"240x320, or none. Received: {text}",
            param_hint=option,
        )
    return int(sides[0]), int(sides[-1])


def parse_time(option: str, text: str) -> float:
    """Returns a time such as "1h30m", "20m" or "90s" in seconds.

    Example:

    >>> [parse_time("--time", text) for text in ("1h30m", "20m", "90s")]
    [5400.0, 1200.0, 90.0]
    """
    number = r"(\d+(?:\.\d+)?)"
    found = re.fullmatch(
        f"(?:{number}h)?(?:{number}m)?(?:{number}s)?", text.strip().lower()
    )
    hours, minutes, seconds = found.groups("0") if found else ("0", "0", "0")
    total = 3600 * float(hours) + 60 * float(minutes) + float(seconds)
    if total <= 0:
        raise typer.BadParameter(
            "a time is hours, minutes or seconds, such as 1h30m, 20m or 90s. "
            f"Received: {text}",
            param_hint=option,
        )
    return total


def parse_option(text: str) -> tuple[str, Any]:
    """Returns "filters=32" as ("filters", 32).

    Example:

    >>> parse_option("dropout=0.1"), parse_option("name=a b")
    (('dropout', 0.1), ('name', 'a b'))
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(
            f"an option is NAME=VALUE, such as filters=32. Received: {text}",
            param_hint="--option",
        )
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def reading_options(
    mask_values: str | None,
    skip_unlabeled: bool,
    multi_label: bool = False,
    missing_classes: str | None = None,
    bands: str | None = None,
) -> str:
    """The options of how files are read, for a command that is printed.

    Example:

    >>> reading_options("0:0,255:1", True)
    ' --mask-values 0:0,255:1 --skip-unlabeled'
    """
    text = f" --mask-values {shlex.quote(mask_values)}" if mask_values else ""
    text += " --skip-unlabeled" if skip_unlabeled else ""
    text += " --multi-label" if multi_label else ""
    text += f" --missing-classes {missing_classes}" if missing_classes else ""
    return text + (f" --bands {shlex.quote(bands)}" if bands else "")


def refuse_options(
    ctx: typer.Context, allowed: Collection[str], reason: str
) -> None:
    """Refuses parameters that were given and are not among those allowed.

    `reason` is the rest of a sentence that begins with the option.
    """
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name)
        given = source is not None and source.name in GIVEN
        if given and parameter.name not in allowed:
            raise typer.BadParameter(
                reason, param_hint=parameter.opts[0], ctx=ctx
            )
