"""Options that several commands have."""

from typing import Annotated

import typer

__all__ = [
    "BitDepth",
    "MaskValues",
    "MaxAnnotationBytes",
    "MaxPixels",
    "SkipUnlabeled",
    "numbers",
    "parse_size",
    "refuse_options",
]

BitDepth = Annotated[
    int | None,
    typer.Option(
        min=8,
        max=16,
        help="Bits that the values of 16-bit images have, such as 12.",
        show_default="what the largest value needs",
    ),
]

MaskValues = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE:ID,...",
        help="What the values of the masks mean, such as 0:0,255:1.",
        show_default=False,
    ),
]

MaxAnnotationBytes = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Refuse larger files of annotations, which might fill the memory.",
        show_default="2,147,483,648",
    ),
]

SkipUnlabeled = Annotated[
    bool,
    typer.Option(
        "--skip-unlabeled",
        help="Leave out images that have no mask or no file of annotations.",
    ),
]

MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Refuse larger images, which might fill the memory.",
        show_default="178,956,970",
    ),
]


def numbers(option, text, low, high):
    """The numbers of an option, separated by commas.

    Args:
        option: str, its name, for the error.
        text: str.
        low: float, the smallest that is allowed.
        high: float, the largest.

    Returns:
        Tuple of floats.

    Raises:
        ValueError: if there is anything else.

    Example:

    >>> numbers("--scales", "0.5,1", 0.1, 10)
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


def parse_size(option, text):
    """Returns "240x320" as (240, 320), "256" as (256, 256), "none" as None.

    Args:
        option: str, its name, for the error.
        text: str.

    Raises:
        typer.BadParameter: if there is anything else.

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


def refuse_options(ctx, allowed, reason):
    """Refuses options that were given beside one that leaves no room.

    Args:
        ctx: `typer.Context`.
        allowed: names of the parameters that may be given.
        reason: str, the rest of a sentence that begins with the option.

    Raises:
        typer.BadParameter: if another one was given.
    """
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and parameter.name not in allowed:
            raise typer.BadParameter(
                reason, param_hint=parameter.opts[0], ctx=ctx
            )
