"""What `keras-seg train` does: begin, resume, or try out."""

import contextlib
import dataclasses
import itertools
import pathlib
import shlex
import time
import warnings
from collections.abc import Collection
from collections.abc import Iterator
from typing import Any

import typer

from keras_seg import training
from keras_seg import visualization
from keras_seg.cli import console
from keras_seg.cli.options import reading_options
from keras_seg.cli.train_report import Reporter
from keras_seg.cli.train_report import print_json
from keras_seg.data import DataError
from keras_seg.data import Folder
from keras_seg.data import check
from keras_seg.data.bands import say_void
from keras_seg.data.held_out import way_of
from keras_seg.data.sizes import Sizes
from keras_seg.runs.recorded import recorded_source
from keras_seg.training.engine import Engine
from keras_seg.training.estimates import in_words
from keras_seg.training.setup import check_network
from keras_seg.training.suggest import FITTED
from keras_seg.training.suggest import suggest_settings
from keras_seg.training.tracking import check_packages
from keras_seg.words import count
from keras_seg.words import duration

__all__ = ["Plan", "begin", "prepared", "resume", "try_out"]

OVERFIT_IOU = 0.95
NO_DATA = ("KS-D001", "KS-D002")  # The path is wrong, not its files.


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run is to be.

    Attributes:
        settings: with defaults where nothing was chosen.
        source: the data.
        chosen: names of `FITTED` that were chosen, and are not fitted.
        auto: whether the learning rate is found by a range test.
        seconds: the time of the whole run, or None for what it takes.
        engine: the devices, or None for one.
    """

    settings: training.Settings
    source: training.DataSource
    chosen: Collection[str]
    auto: bool
    seconds: float | None
    engine: Engine | None = None


def begin(plan: Plan, out: pathlib.Path, reporter: Reporter) -> None:
    """Trains a new run, with settings fitted to the data unless chosen."""
    source = plan.source
    check_network(plan.settings)
    check_packages(plan.settings.track)
    follows = plan.engine is not None and plan.engine.process > 0
    if not follows:
        training.RunFolder.check_free(out)
    settings, data, held_out = prepared(plan, reporter)
    if source.overfit is not None:
        reporter.say(
            f"Learning {count(len(data), 'image')} by heart, without "
            "augmentation: the "
            f"mean IoU should come above {OVERFIT_IOU}."
        )
    with _watched(out, reporter):
        training.train(
            settings,
            data,
            held_out,
            out,
            source=source,
            engine=plan.engine,
            **reporter.fit_options(data.class_table),
        )
    if follows:
        return
    _report(out, len(data if held_out is None else held_out), source, reporter)


def resume(
    path: pathlib.Path,
    moved_to: pathlib.Path | None,
    reporter: Reporter,
    engine: Engine | None = None,
) -> None:
    """Trains a stopped run to its end."""
    run = training.RunFolder.open(path)
    source, data = recorded_source(run), ()
    if source is not None and moved_to is not None:
        source = dataclasses.replace(source, path=str(moved_to))
        data = source.read(check=False)
    with _watched(path, reporter):
        training.resume(
            path,
            *data,
            engine=engine,
            **reporter.fit_options(run.class_table),
        )
    if engine is not None and engine.process:
        return
    known: Any = run.data
    facts = known["validation"] or known["train"]
    _report(path, facts["images"], source, reporter)


def try_out(plan: Plan, out: pathlib.Path, reporter: Reporter) -> None:
    """Takes a few steps and reports the memory and time of a run."""
    check_network(plan.settings)
    check_packages(plan.settings.track)
    settings, data, held_out = prepared(plan, reporter)
    with console.warnings_as_lines(training.RunWarning):
        found = training.dry_run(settings, data, held_out)
    if reporter.json:
        facts = {**dataclasses.asdict(found), "seconds": found.seconds}
        print_json({"event": "dry run", **facts})
        return
    batch = "x".join(map(str, found.batch_shape))
    memory = "not known"
    if found.peak_bytes is not None:
        memory = (
            f"{in_words(found.peak_bytes)} at most ({found.measured_on}, "
            f"measured); {in_words(found.variable_bytes)} of it for weights, "
            "gradients and optimizer"
        )
    for line in (
        f"{found.parameters:,} parameters, {found.trainable:,} are trained.",
        f"{found.steps} steps an epoch, batches of {batch}: "
        f"{found.seconds_per_step:.2f} s each.",
        f"Memory: {memory}.",
        f"Time: {duration(found.seconds)} for {found.epochs} epochs: "
        f"{found.start_seconds:.1f} s to build and compile, each epoch "
        f"{found.steps * found.seconds_per_step:.1f} s of training, "
        f"{found.validation_seconds:.1f} of validation and "
        f"{found.save_seconds:.1f} of writing, and {found.end_seconds:.1f} s "
        "for the scores at the end.",
        f"Loss of the first step: {found.loss:.3f}. Nothing was written.",
    ):
        reporter.say(line)


def prepared(
    plan: Plan, reporter: Reporter
) -> tuple[training.Settings, Folder, Folder | None]:
    """Returns the settings fitted to data and time, and the data."""
    start = time.monotonic()
    data, held_out, sizes = _read(plan.source, reporter)
    chosen = {*plan.chosen, *(["epochs"] if plan.seconds else [])}
    settings = _fitted(plan.settings, data, sizes, chosen, reporter)
    if plan.auto:
        rate = training.find_learning_rate(settings, data).learning_rate
        settings = dataclasses.replace(settings, learning_rate=rate)
        reporter.say(f"Found by a range test: --learning-rate {rate:.1e}.")
    if plan.seconds is not None:
        left = plan.seconds - (time.monotonic() - start)
        settings = training.fit_epochs(
            settings, data, held_out, seconds=max(left, 0.0)
        )
        reporter.say(
            f"Fitted to {duration(plan.seconds)}: "
            f"{count(settings.epochs, 'epoch')}, each "
            f"{settings.repeat} × all images (--epochs, --repeat)."
        )
    return settings, data, held_out


def _read(
    source: training.DataSource, reporter: Reporter
) -> tuple[Folder, Folder | None, Sizes | None]:
    """Reads and measures the pairs; exits with code 3 if the check fails."""
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", training.RunWarning)
            data, held_out = source.read(check=False)
        parts = {"train": data}
        if held_out is not None and source.overfit is None:
            parts["val"] = held_out
        with console.progress("Checking") as progress:
            report = check(parts, progress=progress)
        report.raise_if_failed()
    except DataError as error:
        if error.code in NO_DATA:
            raise
        notes = getattr(error, "__notes__", [])
        console.complain("\n".join([str(error), *notes]))
        same = reading_options(
            source.mask_values,
            source.skip_unlabeled,
            source.multi_label,
            source.missing_classes,
            source.bands,
        )
        console.complain(
            f"More: keras-seg check {shlex.quote(str(source.path))}{same}"
        )
        raise typer.Exit(3) from None
    # What is said of data that fail the check is how they fail.
    for warning in said:
        console.warn(warning.message)
    for finding in report.of("warning"):
        console.complain(str(finding))
    if data.bit_depth is not None and source.bit_depth is None:
        most = 2**data.bit_depth - 1
        reporter.say(
            f"Images of 16 bits have values of {data.bit_depth} "
            f"(--bit-depth): 0..{most} become 0..255."
        )
    if (
        held_out is not None
        and source.overfit is None
        and source.resolved().validation_split is None
    ):
        reporter.say(
            f"Held out {len(held_out)} of {len(data) + len(held_out)} images "
            f"(--val-fraction): {way_of(data, held_out)}, near-duplicates "
            "together."
        )
    void = [part.without_data.values() for part in parts.values()]
    if said := say_void(itertools.chain.from_iterable(void)):
        reporter.say(said)
    reporter.say(
        f"{count(len(data), 'image')} to train on, "
        f"{count(len(held_out or ()), 'image')} held out, "
        f"{len(data.class_table)} classes."
    )
    return data, held_out, report.sizes


def _fitted(
    settings: training.Settings,
    data: Folder,
    sizes: Sizes | None,
    chosen: Collection[str],
    reporter: Reporter,
) -> training.Settings:
    """Fits the settings that were not chosen to the data."""
    names = [name for name in FITTED if name not in chosen]
    missing = names
    if sizes is not None and "size" in names:
        # What `suggest_settings` would find, measured by the check already.
        settings = dataclasses.replace(settings, size=sizes.longest_side)
        missing = [name for name in names if name != "size"]
    settings = suggest_settings(data, settings, missing)
    size = "images as they are (--size)"
    if settings.size is not None:
        size = (
            f"images shrunk to {settings.size} pixels, enough for the objects "
            "in them (--size)"
        )
    words = {
        "size": size,
        "crop": "crops of {}×{} (--crop)".format(*(settings.crop or (0, 0))),
        "batch_size": f"batches of {settings.batch_size} (--batch-size)",
        "epochs": f"{settings.epochs} epochs (--epochs)",
    }
    if names:
        found = ", ".join(words[name] for name in names)
        reporter.say(f"Fitted to these images: {found}.")
    return settings


@contextlib.contextmanager
def _watched(path: pathlib.Path, reporter: Reporter) -> Iterator[None]:
    """Prints warnings, and how to resume after an interruption."""
    try:
        with (
            console.warnings_as_lines(training.RunWarning),
            reporter.over_keras(),
        ):
            yield
    except KeyboardInterrupt:
        if path.exists():
            quoted = shlex.quote(str(path))
            console.complain(f"Go on: keras-seg train --resume {quoted}")
        raise


def _report(
    path: pathlib.Path,
    images: int,
    source: training.DataSource | None,
    reporter: Reporter,
) -> None:
    """Prints the scores of a finished run, and what was written."""
    run = training.RunFolder.open(path)
    rows = run.scores()
    mean_iou = console.mean_of(row["iou"] for row in rows)
    if reporter.json:
        print_json(
            {
                "event": "end",
                "run": str(path),
                "model": str(run.model_path()),
                "mean_iou": mean_iou,
                "class_iou": {row["name"]: row["iou"] for row in rows},
            }
        )
    if not reporter.text:
        return
    known: Any = run.data
    held_out = known["validation"] is not None
    overfit = source is not None and source.overfit is not None
    if held_out and not overfit:
        text = count(images, "held-out image")
    else:
        text = f"{count(images, 'image')}: the training images themselves"
    console.show_scores(rows, f"{run.model_path().name}, {text}")
    if overfit:
        console.say(_verdict(mean_iou))
    elif not held_out and source is not None and not source.val_fraction:
        console.say(
            "Images that were not trained on say more: leave --val-fraction 0 "
            "out."
        )
    if not visualization.can_plot():
        console.say(
            "No curves.png and confusion.png: matplotlib is not installed. "
            'Fix: pip install "keras-seg[viz]".'
        )
    names = ", ".join(sorted(file.name for file in run.path.iterdir()))
    console.say(f"Wrote {path}: {names}")
    quoted = shlex.quote(str(path))
    console.say(f"Next: keras-seg predict {quoted} IMAGE... --out predictions")


def _verdict(mean_iou: float) -> str:
    if mean_iou >= OVERFIT_IOU:
        return (
            f"Mean IoU {mean_iou:.3f}: images and masks belong together, and "
            "the network can learn them. Next: train without --overfit."
        )
    return (
        f"Mean IoU {mean_iou:.3f}, and {OVERFIT_IOU} was to be expected. Look "
        "at samples/: do the masks fit the images? Then try a larger or "
        "smaller --learning-rate, more --epochs, or another model."
    )
