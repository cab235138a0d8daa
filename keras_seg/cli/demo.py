"""`keras-seg demo`: from data to predictions, on synthetic images."""

import pathlib
import shlex
import time
from typing import Annotated
from typing import Any

import typer

from keras_seg.cli import console
from keras_seg.cli.start import use_backend

__all__ = ["demo"]

TRAIN = 48
HELD_OUT = 8
SIZE = 192
SHOWN = 4
OPTIONS = {"filters": 16, "depth": 3, "dropout": 0.0}


def demo(
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder to write to.")
    ] = pathlib.Path("demo"),
    epochs: Annotated[int, typer.Option(min=1)] = 12,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Train a U-Net on synthetic cell membranes in two minutes.

    Nothing is downloaded. Data, run and pictures go into one folder.
    """
    begin = time.monotonic()
    use_backend()

    from keras_seg import training
    from keras_seg.data import from_folder

    training.RunFolder.check_free(out)
    settings = training.Settings(
        model="unet",
        backbone=None,
        weights=None,
        options=OPTIONS,
        epochs=epochs,
        batch_size=2,
        crop=(128, 128),
        scale=None,
        learning_rate=1.5e-3,
        seed=seed,
    )
    data, run_folder = out / "data", out / "run"
    _draw(data, seed)
    pairs = from_folder(data, "train")
    held_out = from_folder(data, "val")
    console.say(
        f"Drew {len(pairs)} images of membranes to train on and "
        f"{len(held_out)} to hold out: {data}"
    )
    with console.warnings_as_lines(training.RunWarning):
        training.train(
            settings,
            pairs,
            held_out,
            run_folder,
            source=training.DataSource(str(data)),
            verbose=console.fit_verbosity(),
        )
    run = training.RunFolder.open(run_folder)
    console.show_scores(run.scores(), f"{len(held_out)} held-out images")
    panels = out / "panels"
    _draw_panels(run.load_model(), held_out, panels)
    console.say(f"Wrote {run_folder} and, to look at, {panels}")
    console.say(f"{time.monotonic() - begin:.0f} seconds.")
    images = shlex.quote(str(data / "val" / "images"))
    quoted = shlex.quote(str(run_folder))
    predictions = shlex.quote(str(out / "predictions"))
    console.say("Next, on these images or your own:")
    console.say(f"  keras-seg predict {quoted} {images} --out {predictions}")
    console.say("  keras-seg train DATA --out RUN")


def _draw(path: pathlib.Path, seed: int) -> None:
    """Writes synthetic membranes as a data set of images and masks."""
    from keras_seg.data import synthetic

    images, masks = synthetic.membranes(TRAIN + HELD_OUT, SIZE, seed)
    for split, part in ("train", slice(TRAIN)), ("val", slice(TRAIN, None)):
        synthetic.write_folder(
            path, images[part], masks[part], synthetic.MEMBRANE_CLASSES, split
        )


def _draw_panels(model: Any, held_out: Any, path: pathlib.Path) -> None:
    """Writes pictures of image, truth and prediction side by side."""
    from keras_seg import inference
    from keras_seg import visualization

    path.mkdir(parents=True, exist_ok=True)
    colors = held_out.class_table.colors
    for index in range(SHOWN):
        image, mask = held_out[index]
        ids = inference.predict(model, image)
        masks = [visualization.colorize(m, colors) for m in (mask, ids)]
        picture = visualization.panel(
            [image, *masks], titles=["image", "truth", "prediction"]
        )
        name = f"{held_out.pairs[index].stem}.png"
        visualization.save_image(path / name, picture)
