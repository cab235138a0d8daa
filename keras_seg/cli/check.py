"""`keras-seg check`: finds mistakes in a folder of images and masks."""

import pathlib
import shlex
from typing import Annotated

import typer

from keras_seg.cli import console
from keras_seg.cli.options import Bands
from keras_seg.cli.options import MaskValues
from keras_seg.cli.options import MaxAnnotationBytes
from keras_seg.cli.options import MaxPixels
from keras_seg.cli.options import MissingClasses
from keras_seg.cli.options import MultiLabel
from keras_seg.cli.options import SkipUnlabeled
from keras_seg.cli.options import reading_options
from keras_seg.cli.options import set_limits

__all__ = ["check"]


def check(
    data: Annotated[
        pathlib.Path,
        typer.Argument(help="Folder of images and masks.", show_default=False),
    ],
    split: Annotated[
        str | None,
        typer.Option(help="The one split to check.", show_default="all"),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=255,
            help="Number of classes.",
            show_default="those of classes.csv, or the ids found",
        ),
    ] = None,
    mask_values: MaskValues = None,
    bands: Bands = None,
    skip_unlabeled: SkipUnlabeled = False,
    multi_label: MultiLabel = False,
    missing_classes: MissingClasses = None,
    max_pixels: MaxPixels = None,
    max_annotation_bytes: MaxAnnotationBytes = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON.")
    ] = False,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder for report.txt, report.json and sheet.png.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check images and masks before anything is trained on them.

    It needs no backend. Exit code 3 if there is an error among the findings,
    0 if there is none.
    """
    from keras_seg.data import check as check_data
    from keras_seg.data.bands import parse_bands
    from keras_seg.data.mask_files import parse_mask_values

    set_limits(max_pixels, max_annotation_bytes)
    values = None if mask_values is None else parse_mask_values(mask_values)
    with console.progress("Checking") as progress:
        report = check_data(
            data,
            split,
            class_table=classes,
            mask_values=values,
            progress=progress,
            skip_unlabeled=skip_unlabeled,
            multi_label=multi_label,
            missing_classes=missing_classes,
            bands=None if bands is None else parse_bands(bands),
        )
    text = console.in_options(report.to_text())
    console.say(report.to_json() if json else text)
    if out is not None:
        files = ", ".join(path.name for path in report.write(out))
        tell = console.complain if json else console.say
        tell(f"Wrote {out}: {files}")
    if not report.ok:
        raise typer.Exit(3)
    if not json:
        quoted = shlex.quote(str(data))
        same = reading_options(
            mask_values, skip_unlabeled, multi_label, missing_classes, bands
        )
        console.say(f"\nNext: keras-seg train {quoted}{same} --out RUN")
