"""What `keras-seg train` does: begin, go on, or try out."""

import contextlib
import dataclasses
import shlex

import typer

from keras_seg import training
from keras_seg import visualization
from keras_seg.cli import console
from keras_seg.cli.epoch_lines import ClassLines
from keras_seg.cli.epoch_lines import JSONLines
from keras_seg.cli.epoch_lines import json_line
from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data.readers.recognize import how_to_hold_out
from keras_seg.training.memory import in_words
from keras_seg.training.models import find_application
from keras_seg.training.source import recorded_source
from keras_seg.training.suggest import NAMES
from keras_seg.training.suggest import suggest_settings

__all__ = ["Voice", "begin", "go_on", "try_out"]

OVERFIT_IOU = 0.95
NO_DATA = ("KS-D001", "KS-D002")  # A path that is wrong, not its files.


class Voice:
    """How much is printed, and for whom.

    Args:
        json_lines: bool, JSON for programs, and nothing else on the standard
            output.
        quiet: bool, nothing.
    """

    def __init__(self, json_lines, quiet):
        self.json = json_lines
        self.speaks = not (json_lines or quiet)

    def say(self, text):
        if self.speaks:
            console.say(text)

    def epoch_lines(self, classes):
        """The callbacks that print after every epoch."""
        if self.json:
            return [JSONLines(classes)]
        return [ClassLines(classes)] if self.speaks else []

    @property
    def fit_verbosity(self):
        return console.fit_verbosity() if self.speaks else 0


def begin(settings, source, out, voice, chosen):
    """Trains a new run; what was not chosen is fitted to the data."""
    find_application(settings.model)
    training.RunFolder.check_free(out)
    data, held_out = _read(source, voice)
    settings = _fitted(settings, data, chosen, voice)
    if source.overfit is not None:
        voice.say(
            f"Learning {_count(data)} by heart, without augmentation: the "
            f"mean IoU should come above {OVERFIT_IOU}."
        )
    with _watched(out):
        training.train(
            settings,
            data,
            held_out,
            out,
            source=source,
            callbacks=voice.epoch_lines(data.classes),
            verbose=voice.fit_verbosity,
        )
    _report(out, len(data if held_out is None else held_out), source, voice)


def go_on(path, moved_to, voice):
    """Trains a run from where it stopped to its end."""
    run = training.RunFolder.open(path)
    source, data = recorded_source(run), (None, None)
    if source is not None and moved_to is not None:
        source = dataclasses.replace(source, path=str(moved_to))
        data = source.read(check=False)
    with _watched(path):
        training.resume(
            path,
            *data,
            callbacks=voice.epoch_lines(run.classes),
            verbose=voice.fit_verbosity,
        )
    facts = run.data["validation"] or run.data["train"]
    _report(path, facts["images"], source, voice)


def try_out(settings, source, out, voice, chosen):
    """Takes a few steps, and says what a run would take."""
    find_application(settings.model)
    data, held_out = _read(source, voice)
    settings = _fitted(settings, data, chosen, voice)
    with console.warnings_as_lines(training.RunWarning):
        found = training.dry_run(settings, data, held_out)
    if voice.json:
        facts = {**dataclasses.asdict(found), "seconds": found.seconds}
        json_line({"event": "dry run", **facts})
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
        f"Time: {_duration(found.seconds)} for {found.epochs} epochs: "
        f"{found.start_seconds:.1f} s to build and compile, each epoch "
        f"{found.steps * found.seconds_per_step:.1f} s of training, "
        f"{found.validation_seconds:.1f} of validation and "
        f"{found.save_seconds:.1f} of writing, and {found.end_seconds:.1f} s "
        "for the scores at the end.",
        f"Loss of the first step: {found.loss:.3f}. Nothing was written.",
    ):
        voice.say(line)


def _read(source, voice):
    """The pairs, if they pass the check; exit code 3 otherwise."""
    try:
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
        console.complain("\n".join([str(error), *_notes(error)]))
        console.complain(
            f"More: keras-seg check {shlex.quote(str(source.path))}"
        )
        raise typer.Exit(3) from None
    for finding in report.of("warning"):
        console.complain(str(finding))
    if data.bit_depth is not None and source.bit_depth is None:
        most = 2**data.bit_depth - 1
        voice.say(
            f"Images of 16 bits have values of {data.bit_depth} "
            f"(--bit-depth): 0..{most} become 0..255."
        )
    voice.say(
        f"{_count(data)} to train on, {_count(held_out)} held out, "
        f"{len(data.classes)} classes."
    )
    return data, held_out


def _fitted(settings, data, chosen, voice):
    """The settings, those that were not chosen fitted to the data."""
    names = [name for name in NAMES if name not in chosen]
    settings = suggest_settings(data, settings, names)
    words = {
        "crop": "crops of {}×{} (--crop)".format(*(settings.crop or (0, 0))),
        "batch_size": f"batches of {settings.batch_size} (--batch-size)",
        "epochs": f"{settings.epochs} epochs (--epochs)",
    }
    if names:
        found = ", ".join(words[name] for name in names)
        voice.say(f"Fitted to these images: {found}.")
    return settings


def _notes(error):
    return getattr(error, "__notes__", [])


@contextlib.contextmanager
def _watched(path):
    """Says how to go on after an interruption."""
    try:
        with console.warnings_as_lines(training.RunWarning):
            yield
    except KeyboardInterrupt:
        if path.exists():
            quoted = shlex.quote(str(path))
            console.complain(f"Go on: keras-seg train --resume {quoted}")
        raise


def _report(path, images, source, voice):
    """The scores of a run that has ended, and what was written."""
    run = training.RunFolder.open(path)
    rows = run.scores()
    known = [row["iou"] for row in rows if row["iou"] == row["iou"]]
    mean_iou = sum(known) / max(1, len(known))
    if voice.json:
        json_line(
            {
                "event": "end",
                "run": str(path),
                "model": str(run.model_path()),
                "mean_iou": mean_iou,
                "class_iou": {row["name"]: row["iou"] for row in rows},
            }
        )
    if not voice.speaks:
        return
    held_out = run.data["validation"] is not None
    overfit = source is not None and source.overfit is not None
    text = "1 image" if images == 1 else f"{images} images"
    if held_out and not overfit:
        text = text.replace("image", "held-out image")
    else:
        text += ": the training images themselves"
    console.show_scores(rows, f"{run.model_path().name}, {text}")
    if overfit:
        console.say(_verdict(mean_iou))
    elif not held_out and source is not None:
        with contextlib.suppress(DataError):  # if the data are gone by now
            console.say(
                "Images that were not trained on say more: "
                + how_to_hold_out(source.path)
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


def _verdict(mean_iou):
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


def _count(pairs):
    count = 0 if pairs is None else len(pairs)
    return "1 image" if count == 1 else f"{count} images"


def _duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
