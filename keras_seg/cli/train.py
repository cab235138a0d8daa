"""`keras-seg train`: a folder of images and masks to a run folder."""

import json
import pathlib
import shlex
from typing import Annotated

import typer

from keras_seg.cli import console
from keras_seg.cli.backend import use_backend

__all__ = ["train"]


def train(
    data: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Folder of images and masks: DATA/images and DATA/labels, "
            "or the same in DATA/train and DATA/val.",
            show_default=False,
        ),
    ],
    out: Annotated[
        pathlib.Path, typer.Option(help="Run folder to write.")
    ] = pathlib.Path("run"),
    model: Annotated[
        str, typer.Option(help="A name of keras_seg.applications.")
    ] = "fcn8s",
    backbone: Annotated[
        str, typer.Option(help="A name of keras.applications, or none.")
    ] = "mobilenet_v2",
    weights: Annotated[
        str,
        typer.Option(
            help="Weights of the backbone: imagenet (downloaded), a file, or "
            "none. A model without a backbone has none."
        ),
    ] = "imagenet",
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A further argument of the model, such as filters=32.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 20,
    batch_size: Annotated[int, typer.Option(min=1)] = 8,
    crop: Annotated[
        str,
        typer.Option(
            metavar="N|HxW|none", help="Size of the random crop, in pixels."
        ),
    ] = "256",
    scale: Annotated[
        tuple[float, float],
        typer.Option(metavar="LOW HIGH", help="Range of the random scale."),
    ] = (0.75, 1.5),
    flip: Annotated[
        bool, typer.Option(help="Mirror every second image.")
    ] = True,
    learning_rate: Annotated[
        float, typer.Option(help="Of the first step; it falls to 0.")
    ] = 1e-3,
    weight_decay: Annotated[float, typer.Option(help="Of AdamW.")] = 1e-4,
    freeze_batch_norm: Annotated[
        bool | None,
        typer.Option(
            help="Keep the statistics of the backbone.",
            show_default="yes with pretrained weights",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    train_split: Annotated[
        str | None,
        typer.Option(
            help="Split to train on.", show_default="train, or all images"
        ),
    ] = None,
    val_split: Annotated[
        str | None,
        typer.Option(
            help="Split to choose the best model by.",
            show_default="val, if there is one",
        ),
    ] = None,
):
    """Train a network on your own images and masks.

    All files are checked before anything is written.
    """
    height_width = parse_crop(crop)
    options = dict(map(parse_option, option or []))
    no_backbone = backbone.lower() == "none"
    random = weights.lower() == "none" or (
        no_backbone and weights == "imagenet"
    )
    use_backend()

    from keras_seg import inference
    from keras_seg import training
    from keras_seg.training.models import find_application

    settings = training.Settings(
        model=model,
        backbone=None if no_backbone else backbone,
        weights=None if random else weights,
        options=options,
        epochs=epochs,
        batch_size=batch_size,
        crop=height_width,
        scale=None if height_width is None else scale,
        flip=flip,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        freeze_batch_norm=freeze_batch_norm,
        seed=seed,
    )
    find_application(model)
    training.RunFolder.check_free(out)
    pairs, held_out = _read(data, train_split, val_split)
    console.say(
        f"{_count(pairs)} to train on, {_count(held_out)} held out, "
        f"{len(pairs.classes)} classes."
    )
    training.train(
        settings, pairs, held_out, out, verbose=console.fit_verbosity()
    )
    run = training.RunFolder.open(out)
    seen = pairs if held_out is None else held_out
    with console.progress("Evaluating", len(seen)) as progress:
        found = inference.evaluate(run.load_model(), seen, progress=progress)
    run.write_table("per_class_iou.csv", found.rows())
    of = "the training images themselves" if held_out is None else "held-out"
    console.show_scores(found, f"{run.model_path().name}, {_of(found, of)}")
    if held_out is None:
        console.say(
            "Images that were not trained on say more: put some, with their "
            f"masks, into {data / 'val'}."
        )
    names = ", ".join(sorted(file.name for file in run.path.iterdir()))
    console.say(f"Wrote {out}: {names}")
    quoted = shlex.quote(str(out))
    console.say(f"Next: keras-seg predict {quoted} IMAGE... --out predictions")


def parse_crop(text):
    """Returns "240x320" as (240, 320), "256" as (256, 256), "none" as None.

    Example:

    >>> parse_crop("240x320"), parse_crop("256"), parse_crop("none")
    ((240, 320), (256, 256), None)
    """
    if text.lower() == "none":
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise typer.BadParameter(
            "a crop is a side such as 256, a height and a width such as "
            f"240x320, or none. Received: {text}",
            param_hint="--crop",
        )
    return int(sides[0]), int(sides[-1])


def parse_option(text):
    """Returns "filters=32" as ("filters", 32).

    Example:

    >>> parse_option("dropout=0.1"), parse_option("name=a b")
    (('dropout', 0.1), ('name', 'a b'))
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(
            f"an option is NAME=VALUE, such as filters=32. Received: {text}",
            param_hint="--option",
        )
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _read(path, train_split, val_split):
    """The pairs to train on and those held out, all of them checked."""
    from keras_seg.data import from_folder
    from keras_seg.data import splits

    names = splits(path)
    if train_split is None and names:
        train_split = "train"
    pairs = from_folder(path, train_split)
    if val_split is None and "val" in names:
        val_split = "val"
    if val_split is None:
        return pairs, None
    return pairs, from_folder(path, val_split, classes=pairs.classes)


def _count(pairs):
    count = 0 if pairs is None else len(pairs)
    return "1 image" if count == 1 else f"{count} images"


def _of(found, what):
    if what == "held-out":
        return f"{found.images} held-out images"
    return f"{found.images} images: {what}"
