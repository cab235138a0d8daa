"""`keras-seg evaluate`: the scores of a run, class by class."""

import pathlib
import shlex
from typing import Annotated

import typer

from keras_seg.cli import console
from keras_seg.cli.backend import use_backend
from keras_seg.cli.earlier import digest
from keras_seg.cli.evaluation_report import EvaluationRecord
from keras_seg.cli.evaluation_report import report
from keras_seg.cli.evaluation_report import trained_on
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
    name: Annotated[
        str | None,
        typer.Option(
            help="What the names of the files written begin with.",
            show_default="evaluation_SPLIT",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace that of other data."),
    ] = False,
):
    """Compare the predictions of a run with the masks of a folder.

    The run folder gets evaluation_SPLIT.csv, the scores of each class,
    evaluation_SPLIT_images.csv, those of each image, the confusion matrix and
    the worst images as pictures; evaluation_SPLIT.json says of which data and
    model they are.
    """
    use_backend()

    from keras_seg import inference
    from keras_seg import training
    from keras_seg.data import splits
    from keras_seg.data.layout import choose_split
    from keras_seg.data.opening import limit_pixels
    from keras_seg.data.text import limit_annotations
    from keras_seg.training.fingerprint import fingerprint

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
    name = name or (f"evaluation_{split}" if split else "evaluation")
    if pathlib.Path(name).name != name:
        raise ValueError(f"--name is a name without folders. Received: {name}")
    facts = {
        "data": str(data.absolute()),
        "split": split,
        "images": len(pairs),
        "fingerprint": fingerprint(pairs),
        "model": folder.model_path(best=not last).name,
        "sha256": digest(folder.model_path(best=not last)),
    }
    record = EvaluationRecord(folder, name, facts)
    if not overwrite:
        record.refuse_other_data()
    console.warn(trained_on(folder, pairs, facts["fingerprint"]))
    model = folder.load_model(best=not last)
    with (
        console.progress("Evaluating", len(pairs)) as progress,
        console.warnings_as_lines(UserWarning),
    ):
        found = inference.evaluate(
            model, pairs, bucket=bucket, trimap=trimap, progress=progress
        )
    images = "1 image" if found.images == 1 else f"{found.images} images"
    console.show_scores(found.rows(), f"{facts['model']}, {images}")
    record.remove_earlier()
    written = report(folder, name, found, pairs, model)
    record.write()
    console.say(f"Wrote {', '.join(map(str, written))}")
    quoted = shlex.quote(str(run))
    console.say(f"Next: keras-seg predict {quoted} IMAGE... --out predictions")


def _read(path, split, run, skip_unlabeled):
    """The pairs, in the classes that the run was trained on."""
    from keras_seg.data import ClassTable
    from keras_seg.data import from_folder
    from keras_seg.data.layout import find_classes
    from keras_seg.data.mask_files import MaskFiles
    from keras_seg.data.mask_files import parse_mask_values
    from keras_seg.training import RunError
    from keras_seg.training.fingerprint import fingerprint
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
    pairs = from_folder(path, split, classes=classes, **options)
    named = table or not isinstance(pairs.masks, MaskFiles)
    unnamed = ClassTable.default(len(classes)).names == classes.names
    known = [
        facts.get("fingerprint")
        for facts in ((run.data or {}).get(p) for p in ("train", "validation"))
        if isinstance(facts, dict)
    ]
    own = source is not None and pathlib.Path(source.path) == path.resolve()
    if not (named or unnamed or own or fingerprint(pairs) in known):
        raise RunError(
            f"{path} does not say what its classes are, and {run.path} was "
            f"not trained on it: whether its ids mean "
            f"{', '.join(classes.names)}, in this order, cannot be known. "
            f"Fix: if they do, copy {run.path / 'classes.csv'} there."
        )
    return pairs
