"""`keras-seg convert`: writes a data set in the layout of another tool."""

import pathlib
import shlex
from typing import Annotated

import typer

from keras_seg.cli import console
from keras_seg.cli.options import MaskValues
from keras_seg.cli.options import MaxAnnotationBytes
from keras_seg.cli.options import MaxPixels
from keras_seg.cli.options import MissingClasses
from keras_seg.cli.options import MultiLabel
from keras_seg.cli.options import SkipUnlabeled
from keras_seg.cli.options import set_limits

__all__ = ["convert"]


def convert(
    data: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Folder of images and masks or annotations, in any layout "
            "that is read.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="masks|voc|coco|yolo|cvat|labelme",
            help="Layout to write.",
            show_default=False,
        ),
    ],
    out: Annotated[
        pathlib.Path, typer.Option(help="New folder.", show_default=False)
    ],
    split: Annotated[
        str | None,
        typer.Option(help="The one split to convert.", show_default="all"),
    ] = None,
    mask_values: MaskValues = None,
    skip_unlabeled: SkipUnlabeled = False,
    multi_label: MultiLabel = False,
    missing_classes: MissingClasses = None,
    max_pixels: MaxPixels = None,
    max_annotation_bytes: MaxAnnotationBytes = None,
) -> None:
    """Write a data set in another layout: masks, PASCAL VOC, COCO, YOLO, …

    Ids, names, colors and void are kept, and what the layout cannot say is
    said. It needs no backend; polygons need keras_seg[geo].
    """
    from keras_seg.data.converting import convert as convert_data
    from keras_seg.data.mask_files import parse_mask_values

    set_limits(max_pixels, max_annotation_bytes)
    values = None if mask_values is None else parse_mask_values(mask_values)
    with console.progress("Converting") as progress:
        found = convert_data(
            data,
            out,
            to,
            split=split,
            mask_values=values,
            skip_unlabeled=skip_unlabeled,
            multi_label=multi_label,
            missing_classes=missing_classes,
            progress=progress,
        )
    for note in found.notes:
        console.complain(f"Note: {note}")
    counts = [f"{count} {name}".strip() for name, count in found.images.items()]
    console.say(f"Wrote {out}: {', '.join(counts)} images as {to}")
    option = " --multi-label" if multi_label else ""
    console.say(f"\nNext: keras-seg check {shlex.quote(str(out))}{option}")
