import dataclasses
import json

import pytest

from keras_seg.runs import Settings
from keras_seg.words import did_you_mean

pytestmark = pytest.mark.once


def test_round_trip():
    settings = Settings(
        model="unet",
        backbone=None,
        weights=None,
        options={"filters": 4},
        crop=(240, 320),
        scale=(0.5, 2.0),
        freeze_batch_norm=False,
        seed=3,
    )
    again = Settings.from_json(settings.to_json())
    assert again == settings
    assert again.crop == (240, 320)
    assert again.scale == (0.5, 2.0)
    assert Settings.from_json("{}") == Settings()


def test_crop_of_one_side():
    assert Settings(crop=64).crop == (64, 64)
    assert Settings(crop=None, scale=None).crop is None


def test_unknown_key():
    text = json.dumps({"epoch": 3})
    with pytest.raises(ValueError) as caught:
        Settings.from_json(text)
    assert str(caught.value) == (
        "There is no setting 'epoch'. Did you mean 'epochs'? Settings are: "
        f"{', '.join(field.name for field in dataclasses.fields(Settings))}."
    )


def test_did_you_mean():
    assert did_you_mean("qqq", ["epochs", "seed"]) == ""
    assert did_you_mean("FCN8", ["fcn8s"]) == " Did you mean 'fcn8s'?"


@pytest.mark.parametrize("text", ["", "{", "[1]", '"a"'])
def test_no_settings(text):
    with pytest.raises(ValueError, match="Settings are a JSON object"):
        Settings.from_json(text)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("epochs", 0, "an int >= 1"),
        ("epochs", 1.5, "an int >= 1"),
        ("epochs", True, "an int >= 1"),
        ("batch_size", "8", "an int >= 1"),
        ("validation_batch_size", 0, "an int >= 1"),
        ("seed", -1, "an int >= 0"),
        ("learning_rate", 0, "a number > 0"),
        ("weight_decay", -1e-4, "a number >= 0"),
        ("weight_decay", None, "a number >= 0"),
        ("backbone_rate", -0.1, "a number >= 0"),
        ("crop", (0, 4), "(height, width) in pixels"),
        ("crop", (4, 4, 4), "(height, width) in pixels"),
        ("scale", (2.0, 1.0), "(low, high) with 0 < low <= high"),
        ("scale", 2, "(low, high) with 0 < low <= high"),
        ("repeat", 0, "an int >= 1"),
        ("accumulate", 0, "an int >= 1"),
        ("patience", 0, "an int >= 1, or None"),
        ("workers", 1.5, "an int >= 1, or None"),
        ("ema", 1, "a number above 0 and below 1, or None"),
        ("optimizer", "adam", "'adamw' or 'sgd'"),
        (
            "precision",
            "bfloat16",
            "one of None, 'float32', 'mixed_bfloat16'",
        ),
        (
            "class_weights",
            "median",
            "one of None, 'median_frequency', 'balanced'",
        ),
        (
            "class_weights",
            {"cell": "2"},
            "a dict of numbers, one for the name of a class",
        ),
    ],
)
def test_refused(name, value, what):
    with pytest.raises(ValueError) as caught:
        Settings(**{name: value})
    assert str(caught.value) == (
        f"`{name}` must be {what}. Received: {name}={value!r}"
    )


def test_unknown_loss():
    with pytest.raises(ValueError) as caught:
        Settings(loss="cross_entropy+dise")
    assert str(caught.value) == (
        "`loss` must be one of cross_entropy, dice, focal, lovasz, tversky, "
        "ohem, or several joined by +, such as cross_entropy+dice. Did you "
        "mean 'dice'? Received: loss='cross_entropy+dise'"
    )


def test_precision_of_a_network_from_a_file():
    for options in ({"start_from": "a.keras"}, {"backbone": "a.keras"}):
        with pytest.raises(ValueError, match="None for a network from a file"):
            Settings(precision="mixed_bfloat16", **options)


def test_scale_needs_crop():
    with pytest.raises(ValueError, match="None where `crop` is None"):
        Settings(crop=None)


def test_what_is_not_set_follows_from_the_backbone():
    def resolved(**options):
        found = Settings(**options).resolved()
        return found.freeze_batch_norm, found.backbone_rate

    assert resolved(weights="imagenet") == (True, 0.1)
    assert resolved(weights=None) == (False, 1.0)
    # SegNet has VGG16's weights, and batch norm that is new.
    assert resolved(backbone=None) == (False, 1.0)
    assert resolved(weights=None, freeze_batch_norm=True) == (True, 1.0)
    assert resolved(freeze_batch_norm=False) == (False, 0.1)
    assert resolved(backbone_rate=0.0) == (True, 0.0)
