"""`keras-seg evaluate`: the scores of a run, class by class."""

import pathlib
import shlex
from typing import Annotated

import typer

from keras_seg.cli import console
from keras_seg.cli.backend import use_backend
from keras_seg.cli.evaluation_report import report
from keras_seg.cli.options import MaxAnnotationBytes
from keras_seg.cli.options import MaxPixels
from keras_seg.cli.options import SkipUnlabeled

__all__ = ["evaluate"]


def evaluate(
    run: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Folder that keras-seg train wrote.", show_default=False
        ),
    ],
    data: Annotated[
        pathlib.Path,
        typer.Argument(help="Folder of images and masks.", show_default=False),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="Split to evaluate.", show_default="val, if there is one"
        ),
    ] = None,
    last: Annotated[
        bool,
        typer.Option("--last", help="Take the last model, not the best."),
    ] = False,
    trimap: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Scores in bands along the boundaries, too: label_change, "
            "or void, for masks with void contours as PASCAL VOC's.",
            show_default=False,
        ),
    ] = None,
    bucket: Annotated[
        int,
        typer.Option(
            min=1,
            help="Fill images up to multiples of so many pixels: with 32, as "
            "predict does, JAX compiles for fewer sizes.",
        ),
    ] = 1,
    skip_unlabeled: SkipUnlabeled = False,
    max_pixels: MaxPixels = None,
    max_annotation_bytes: MaxAnnotationBytes = None,
):
    """Compare the predictions of a run with the masks of a folder.

    The run folder gets evaluation_SPLIT.csv, the scores of each class,
    evaluation_SPLIT_images.csv, those of each image, the confusion matrix and
    the worst images as pictures.
    """
    use_backend()

    from keras_seg import inference
    from keras_seg import training
    from keras_seg.data import splits
    from keras_seg.data.layout import choose_split
    from keras_seg.data.opening import limit_pixels
    from keras_seg.data.text import limit_annotations

    if max_annotation_bytes is not None:
        limit_annotations(max_annotation_bytes)
    if max_pixels is not None:
        limit_pixels(max_pixels)
    folder = training.RunFolder.open(run)
    if split is None:
        split = choose_split(splits(data), "val")
    pairs = _read(data, split, folder, skip_unlabeled)
    if pairs.skipped:
        console.complain(
            f"{len(pairs.skipped)} images without a mask are left out, "
            f"{pairs.skipped[0]} first."
        )
    model = folder.load_model(best=not last)
    with (
        console.progress("Evaluating", len(pairs)) as progress,
        console.warnings_as_lines(UserWarning),
    ):
        found = inference.evaluate(
            model, pairs, bucket=bucket, trimap=trimap, progress=progress
        )
    name = folder.model_path(best=not last).name
    images = "1 image" if found.images == 1 else f"{found.images} images"
    console.show_scores(found.rows(), f"{name}, {images}")
    written = report(
        folder,
        f"evaluation_{split}" if split else "evaluation",
        found,
        pairs,
        model,
    )
    console.say(f"Wrote {', '.join(map(str, written))}")
    quoted = shlex.quote(str(run))
    console.say(f"Next: keras-seg predict {quoted} IMAGE... --out predictions")


def _read(path, split, run, skip_unlabeled):
    """The pairs, in the classes that the run was trained on."""
    from keras_seg.data import ClassTable
    from keras_seg.data import from_folder
    from keras_seg.data.layout import find_classes
    from keras_seg.data.mask_files import parse_mask_values
    from keras_seg.training import RunError
    from keras_seg.training.source import recorded_source

    table = find_classes(path)
    classes = ClassTable.read(table) if table else run.classes
    if classes.names != run.classes.names:
        raise RunError(
            f"{table} has the classes {', '.join(classes.names)}; "
            f"{run.path} was trained on {', '.join(run.classes.names)}. "
            "Fix: evaluate on data of the same classes, or train again."
        )
    options: dict = {"skip_unlabeled": True} if skip_unlabeled else {}
    source = recorded_source(run)
    if source is not None and source.mask_values is not None:
        options["mask_values"] = parse_mask_values(source.mask_values)
    if source is not None:
        options["bit_depth"] = source.bit_depth
    return from_folder(path, split, classes=classes, **options)
