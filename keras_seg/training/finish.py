"""The end of a run: scores, confusion matrix, model card."""

import dataclasses
import pathlib
import warnings
from typing import Any

import keras
import numpy as np

from keras_seg import visualization
from keras_seg.data.folder import PairSequence
from keras_seg.inference import Evaluation
from keras_seg.inference import evaluate
from keras_seg.inference import tune_threshold
from keras_seg.layers.metadata import note
from keras_seg.runs.files import RunWarning
from keras_seg.runs.folder import RunFolder
from keras_seg.runs.recorded import recorded_source
from keras_seg.runs.settings import Settings
from keras_seg.training.save_run import SaveRun
from keras_seg.words import count
from keras_seg.words import duration
from keras_seg.words import listed

__all__ = ["finish", "model_card"]


def finish(
    run: RunFolder,
    model: keras.Model,
    data: PairSequence,
    held_out: bool,
    saving: SaveRun,
) -> Evaluation:
    """Evaluates the saved model and writes scores, curves and the model card.

    `model` is that of the last epoch, which gets its threshold. `held_out`
    says whether `data` was not trained on. `README.md` comes last: a run
    without it is not finished.
    """
    _tune(run, model, data, held_out)
    found = evaluate(run.load_model(), data, class_table=run.class_table)
    run.write_table("per_class_iou.csv", found.rows())
    saving.draw_curves(always=True)
    if not visualization.can_plot():
        run.log("No curves.png and confusion.png: matplotlib is missing.")
    elif found.matrix.ndim == 2:
        picture = visualization.confusion(found.matrix, run.class_table.names)
        run.write_picture("confusion.png", picture)
    run.log(f"Finished: mean IoU {found.scores.mean_iou:.4f}.")
    card = model_card(run, found, held_out, saving.rows, saving.best_epoch)
    run.write_text("README.md", card)
    return found


def _tune(
    run: RunFolder, last: keras.Model, data: PairSequence, held_out: bool
) -> None:
    """Finds the thresholds of the models of a run, if it asks for that."""
    metric = run.settings and run.settings.threshold
    if not metric:
        return
    if not held_out:
        return _keep_half(run, "no images were held out.")
    for name in ("best.keras", "model.keras"):
        if not (run.path / name).is_file():
            continue
        model = run.load_model(best=name == "best.keras")
        try:
            threshold = tune_threshold(model, data, metric)
        except ValueError as error:
            return _keep_half(run, str(error))
        run.save_model(model, name)
        run.log(f"Threshold of {name}, by {metric}: {threshold}.")
        if name == "model.keras":
            note(last, threshold=threshold)


def _keep_half(run: RunFolder, why: str) -> None:
    text = f"The threshold stays 0.5: {why}"
    run.log(text)
    warnings.warn(text, RunWarning, stacklevel=4)


def model_card(
    run: RunFolder,
    evaluation: Evaluation,
    held_out: bool,
    rows: list[dict],
    best_epoch: int | None,
) -> str:
    """Returns the facts of a run as Markdown.

    `rows` is the history, a dictionary for each epoch. `best_epoch` is None if
    the model is that of the last epoch.
    """
    settings = run.settings
    name = "A model" if settings is None else _model_name(settings)
    parts = [
        f"# {name} for {listed(run.class_table.names)}",
        "Semantic segmentation: an RGB image of any size to a class for "
        "every pixel.",
        _use(run),
        "## Scores",
        _scores(evaluation, held_out),
        "## Training",
        _training(run, rows, best_epoch),
        "## Data",
        _data(run),
        "## Intended use and limits",
        _limits(run, evaluation, held_out),
        "## Licence",
        "To be filled in by the owner of the data: the licence of the "
        "images and masks, of pretrained weights, and of this model.",
        "## Versions",
        "```\n" + _text(run, "environment.txt") + "```",
    ]
    return "\n\n".join(parts) + "\n"


def _model_name(settings: Settings) -> str:
    if settings.start_from is not None:
        return f"{pathlib.Path(settings.start_from).name}, retrained"
    name = pathlib.Path(settings.backbone or "").name
    on = f" on {name}" if name else ""
    return f"{settings.model}{on}"


def _use(run: RunFolder) -> str:
    file = run.model_path().name
    return f"""```bash
keras-seg predict {run.path.name} IMAGE... --out predictions
keras-seg evaluate {run.path.name} DATA
```

```python
from keras_seg import data, inference, runs

model = runs.RunFolder.open("{run.path.name}").load_model()  # {file}
ids = inference.predict(model, data.read_image("photo.jpg"))
```

Images go in as RGB of 0…255, the preprocessing is part of the model; the
ids come out in the order of `classes.csv`."""


def _scores(evaluation: Evaluation, held_out: bool) -> str:
    images = count(evaluation.images, "image")
    where = (
        f"{images} that were not trained on"
        if held_out
        else f"the {images} it was trained on, which says little"
    )
    matrix = evaluation.matrix
    # Of labels, each has a matrix of all its pixels.
    axes = (1, 2) if matrix.ndim == 3 else None
    totals = np.broadcast_to(matrix.sum(axis=axes), len(matrix))
    lines = [
        "| class | IoU | accuracy | share of pixels |",
        "|---|---|---|---|",
    ]
    for row, total in zip(evaluation.rows(), totals, strict=True):
        lines.append(
            f"| {_cell(row['name'])} | {_number(row['iou'])} "
            f"| {_number(row['accuracy'])} "
            f"| {100 * row['pixels'] / max(1, total):.1f} % |"
        )
    scores = evaluation.scores
    lines.append(
        f"| **mean** | **{_number(scores.mean_iou)}** "
        f"| {_number(scores.mean_accuracy)} | |"
    )
    return (
        f"On {where}; one confusion matrix over all pixels, void left out. "
        f"Pixel accuracy {_number(scores.pixel_accuracy)}.\n\n"
        + "\n".join(lines)
    )


def _training(run: RunFolder, rows: list[dict], best_epoch: int | None) -> str:
    text = f"{count(len(rows), 'epoch')}"
    seconds = sum(row.get("seconds") or 0 for row in rows)
    text += f", {duration(seconds)}. "
    if best_epoch is None:
        text += "The model is that of the last epoch."
    else:
        text += f"The model is that of epoch {best_epoch}, the best of them."
    text += " `history.csv` has every epoch."
    for file, digest in ((run.data or {}).get("files") or {}).items():
        of_teacher = run.settings and file == run.settings.teacher
        what = "It was taught by" if of_teacher else "Its weights began from"
        text += f" {what} `{file}` (SHA-256 {digest})."
    if run.settings is None:
        return text
    lines = ["| setting | value |", "|---|---|"]
    for name, value in dataclasses.asdict(run.settings).items():
        lines.append(f"| {name} | {_cell(value)} |")
    return text + "\n\n" + "\n".join(lines)


def _data(run: RunFolder) -> str:
    known = run.data or {}
    lines = []
    source = recorded_source(run)
    if source is not None:
        lines.append(f"From `{source.path}`.")
    for key, what in (("train", "trained on"), ("validation", "held out")):
        if known.get(key):
            facts = known[key]
            lines.append(
                f"{count(facts['images'], 'image')} {what} "
                f"(fingerprint {facts['fingerprint']})."
            )
    lines.append(
        f"{len(run.class_table)} classes: {listed(run.class_table.names, 40)}."
    )
    return "\n".join(lines)


def _limits(run: RunFolder, evaluation: Evaluation, held_out: bool) -> str:
    lines = [
        "For images like those above. On others (another camera, "
        "resolution, place or kind of object) the scores do not hold; "
        "measure them there with `keras-seg evaluate`.",
    ]
    if not held_out:
        lines.append("It has not been tested on images it was not trained on.")
    names = run.class_table.names
    iou = evaluation.scores.per_class_iou
    unseen = [names[i] for i, value in enumerate(iou) if value != value]
    weak = [names[i] for i, value in enumerate(iou) if value < 0.5]
    if unseen:
        lines.append(f"Not tested at all: {listed(unseen, 40)}.")
    if weak:
        lines.append(
            "Weak, with an IoU below 0.5: "
            + ", ".join(f"{n} {iou[names.index(n)]:.2f}" for n in weak)
            + "."
        )
    lines.append(
        "The best epoch was chosen on the images of the scores, which are "
        "therefore a little too good."
        if held_out
        else "Images held out from training would tell more."
    )
    return "\n".join(f"* {line}" for line in lines)


def _text(run: RunFolder, name: str) -> str:
    return (run.path / name).read_text(encoding="utf-8")


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|")
