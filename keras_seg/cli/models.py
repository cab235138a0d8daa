"""`keras-seg models`: the networks that segment already."""

import dataclasses
import json
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from keras_seg.cli import console

if TYPE_CHECKING:
    from keras_seg.pretrained import PretrainedModel

__all__ = ["models"]


def models(
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print all that is known, as JSON."),
    ] = False,
) -> None:
    """List the pretrained networks, whose names go where a model is named.

    Such as keras-seg predict --model NAME IMAGE... The weights are downloaded
    into Keras's cache when a network is first used.
    """
    from keras_seg.pretrained import CATALOGUE

    if as_json:
        print(json.dumps([_facts(model) for model in CATALOGUE], indent=2))
        return
    console.show_table(
        ("name", "classes", "MB", "mIoU", "license"),
        [
            (
                model.name,
                str(len(model.class_table)),
                f"{model.mebibytes * 2**20 / 1e6:.0f}",
                "" if model.mean_iou is None else f"{model.mean_iou:.1f}",
                model.license,
            )
            for model in CATALOGUE
        ],
    )
    for scored_on, published in dict.fromkeys(
        (model.scored_on, model.published)
        for model in CATALOGUE
        if model.mean_iou is not None
    ):
        console.say(f"mIoU, percent: {scored_on}: {published}")
    console.say("non-commercial: see https://github.com/NVlabs/SegFormer")
    console.say("Next: keras-seg predict --model NAME IMAGE...")


def _facts(model: "PretrainedModel") -> dict:
    facts = dataclasses.asdict(model)
    del facts["class_table"]
    return {**facts, "classes": model.class_table.names}
