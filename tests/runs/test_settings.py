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
        "model, backbone, weights, options, start_from, epochs, "
        "batch_size, "
        "validation_batch_size, size, crop, scale, flip, learning_rate, "
        "backbone_rate, weight_decay, freeze_batch_norm, seed."
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
    ],
)
def test_refused(name, value, what):
    with pytest.raises(ValueError) as caught:
        Settings(**{name: value})
    assert str(caught.value) == (
        f"`{name}` must be {what}. Received: {name}={value!r}"
    )


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
