"""Options that several commands have."""

from typing import Annotated

import typer

__all__ = ["MaskValues", "numbers"]

MaskValues = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE:ID,...",
        help="What the values of the masks mean, such as 0:0,255:1.",
        show_default=False,
    ),
]


def numbers(option, text):
    """The numbers of an option, separated by commas.

    Args:
        option: str, its name, for the error.
        text: str.

    Returns:
        Tuple of floats.

    Raises:
        ValueError: if there is anything else.

    Example:

    >>> numbers("--scales", "0.5,1")
    (0.5, 1.0)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"{option} takes numbers, separated by commas. Received: {text}"
        ) from None
