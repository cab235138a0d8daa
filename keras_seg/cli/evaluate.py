"""`keras-seg evaluate`: the scores of a trained model on a data set."""

import functools
import pathlib
import shlex
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

from keras_seg.cli import console
from keras_seg.cli.altering import FOR_KERAS
from keras_seg.cli.altering import PLAIN
from keras_seg.cli.altering import Crf
from keras_seg.cli.altering import Mirror
from keras_seg.cli.altering import OutputStride
from keras_seg.cli.altering import Scales
from keras_seg.cli.altering import altered
from keras_seg.cli.altering import spelled_out
from keras_seg.cli.evaluation_data import read_pairs
from keras_seg.cli.evaluation_data import trained_on
from keras_seg.cli.evaluation_files import Record
from keras_seg.cli.evaluation_files import write_report
from keras_seg.cli.network import KINDS
from keras_seg.cli.network import open_network
from keras_seg.cli.network import say_tiles
from keras_seg.cli.options import Bands
from keras_seg.cli.options import Gpus
from keras_seg.cli.options import Last
from keras_seg.cli.options import MaskValues
from keras_seg.cli.options import MaxAnnotationBytes
from keras_seg.cli.options import MaxPixels
from keras_seg.cli.options import Ray
from keras_seg.cli.options import SkipUnlabeled
from keras_seg.cli.options import Workers
from keras_seg.cli.options import parse_numbers
from keras_seg.cli.options import refuse_options
from keras_seg.cli.options import set_limits
from keras_seg.cli.prediction_cache import digest
from keras_seg.cli.start import use_backend
from keras_seg.hub.names import is_name
from keras_seg.hub.names import spelled
from keras_seg.words import count

if TYPE_CHECKING:
    from keras_seg.inference import Reliability
    from keras_seg.runs import RunFolder

__all__ = ["evaluate"]


def evaluate(
    ctx: typer.Context,
    network: Annotated[
        pathlib.Path,
        typer.Argument(help=f"The network: {KINDS}.", show_default=False),
    ],
    data: Annotated[
        pathlib.Path,
        typer.Argument(help="Folder of images and masks.", show_default=False),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="Split to evaluate; all, if there are none.",
            show_default="val, or what the run held out, or all images",
        ),
    ] = None,
    last: Last = False,
    scales: Scales = "1",
    mirror: Mirror = False,
    output_stride: OutputStride = None,
    crf: Crf = False,
    trimap: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Scores in bands along the boundaries, too: label_change, "
            "or void, for masks with void contours as PASCAL VOC's.",
            show_default=False,
        ),
    ] = None,
    calibration: Annotated[
        bool,
        typer.Option(
            "--calibration",
            help="Compare probabilities with the truth, too, and keep the "
            "temperature that mends them in the run folder.",
        ),
    ] = False,
    bucket: Annotated[
        int,
        typer.Option(
            min=1,
            help="Fill images up to multiples of so many pixels: with 32, as "
            "predict does, JAX compiles for fewer sizes.",
        ),
    ] = 1,
    mask_values: MaskValues = None,
    bands: Bands = None,
    skip_unlabeled: SkipUnlabeled = False,
    max_pixels: MaxPixels = None,
    max_annotation_bytes: MaxAnnotationBytes = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder to write to.",
            show_default="the run folder, or evaluations/NETWORK",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Prefix of the names of the files.",
            show_default="evaluation_SPLIT",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace those of other data."),
    ] = False,
    ray: Ray = None,
    workers: Workers = 2,
    gpus: Gpus = None,
) -> None:
    """Compare the predictions of a network with the masks of a folder.

    Written into the run folder, or into --out: evaluation_SPLIT.csv, the
    scores of each class; evaluation_SPLIT_images.csv, those of each image;
    pictures of the confusion matrix and of the worst images;
    evaluation_SPLIT.json, which names the data, the model and what it was
    looked at with: --scales, --mirror, --output-stride, --crf. With
    --calibration evaluation_SPLIT_reliability.csv and .png show how often the
    network is right, against how sure it is.
    """
    use_backend()

    from keras_seg import inference
    from keras_seg import runs
    from keras_seg.data import splits
    from keras_seg.data.bands import parse_bands
    from keras_seg.data.bands import say_void
    from keras_seg.data.layout import choose_split
    from keras_seg.runs.recorded import fingerprint

    views: dict[str, Any] = {
        "scales": parse_numbers("--scales", scales, 0.1, 10),
        "mirror": mirror,
        "output_stride": output_stride,
        "crf": crf,
    }
    options = spelled_out(views)
    alter: Any = functools.partial(altered, **views) if options else None
    set_limits(max_pixels, max_annotation_bytes)
    if ray is not None and (trimap or calibration):
        raise ValueError(
            f"{'--trimap' if trimap else '--calibration'} is measured by one "
            "process. Fix: leave out --ray."
        )
    if alter is not None and calibration:
        raise ValueError(
            "--calibration is of the network as it is, whose temperature the "
            f"run keeps. Fix: leave out {' '.join(options)}."
        )
    source = open_network(network, last)
    if source.is_exported:
        refuse_options(ctx, set(ctx.params) - {*PLAIN}, FOR_KERAS)
    if out is None:
        own = pathlib.Path("evaluations") / network.name
        out = own if source.run is None else source.run.path
        if is_name(network):  # The Hub's cache is not to be written to.
            out = own
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out is a folder. Received: {out}, a file")
    folder = runs.RunFolder(out, None, source.class_table)
    run = source.run or folder
    names = splits(data)
    if split is None:
        split = choose_split(names, "val")
    pairs = read_pairs(
        data,
        split,
        names,
        run,
        spelled(network),
        source.bit_depth,
        source.bands if bands is None else parse_bands(bands),
        mask_values,
        skip_unlabeled,
        source.multi_label,
    )
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
        "model": source.path.name,
        "sha256": digest(source.path),
        "options": options,
        "bucket": bucket,
        "bands": pairs.bands,
        "mask_values": getattr(pairs.masks, "values", None),
        "void": sorted(pairs.class_table.ignore_classes),
    }
    record = Record(folder, name, facts)
    if not overwrite:
        record.refuse_other_data()
    images_seen = trained_on(run, pairs, facts["fingerprint"], data)
    console.warn(images_seen)
    model = source.load()
    if alter is not None:
        model = alter(model)
    say_tiles(model, [pair.image for pair in pairs.pairs])
    folder.path.mkdir(parents=True, exist_ok=True)
    with (
        console.progress("Evaluating", len(pairs)) as progress,
        console.warnings_as_lines(UserWarning),
    ):
        if ray is not None:
            from keras_seg.cli.evaluate_ray import Job
            from keras_seg.cli.evaluate_ray import evaluate_by_ray

            limits = (max_pixels, max_annotation_bytes)
            job = Job(spelled(network), last, alter, pairs, bucket, limits)
            found = evaluate_by_ray(job, model, ray, workers, gpus, progress)
        else:
            found = inference.evaluate(
                model,
                pairs,
                bucket=bucket,
                trimap=trimap,
                calibration=calibration,
                progress=progress,
            )
    if said := say_void(pairs.without_data.values()):
        console.say(said)
    images = count(found.images, "image")
    title = ", ".join([facts["model"], *options, images])
    console.show_scores(found.rows(), title)
    record.begin()
    written = write_report(folder, name, found, pairs)
    if found.reliability is not None:
        keeps = not (images_seen or is_name(network))
        kept_by = source.run if keeps else None
        _keep_temperature(kept_by, found.reliability, last)
    console.say(f"Wrote {', '.join(map(str, written))}")
    option = "" if source.run else "--model "
    quoted = option + shlex.quote(spelled(network))
    after = " ".join(["--out predictions", *options])
    console.say(f"Next: keras-seg predict {quoted} IMAGE... {after}")


def _keep_temperature(
    run: "RunFolder | None", found: "Reliability", last: bool
) -> None:
    kept = "is kept by no run"
    if run is not None:
        run.keep_temperature(found.temperature, best=not last)
        kept = f"is kept in {run.path}, for predict and export"
    console.say(
        f"Expected calibration error {found.error:.4f}; "
        f"{found.error_after:.4f} at the temperature {found.temperature:.3f}, "
        f"which {kept}."
    )
