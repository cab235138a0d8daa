"""Options that several commands have."""

from typing import Annotated

import typer

__all__ = ["MaskValues"]

MaskValues = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE:ID,...",
        help="What the values of the masks mean, such as 0:0,255:1.",
        show_default=False,
    ),
]
