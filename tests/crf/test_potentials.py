import json

import pytest

from keras_seg.crf import PRESETS
from keras_seg.crf import Bilateral
from keras_seg.crf import Gaussian
from keras_seg.crf import Settings

pytestmark = pytest.mark.once


def test_given_arguments_replace_the_preset():
    settings = Settings.of(
        "deeplab_v1",
        gaussian=None,
        bilateral={"sxy": 60, "srgb": 4},
        iterations="preset",
        normalization=None,
    )
    assert settings == Settings(None, Bilateral(60, 4, 4.0), 10, None)
    assert settings.potentials == [Bilateral(60, 4, 4.0)]
    preset = Settings.of("krahenbuhl", bilateral="preset")
    assert preset is not None and preset == PRESETS["krahenbuhl"]


@pytest.mark.parametrize("name", PRESETS)
def test_json(name):
    settings = PRESETS[name]
    again = json.loads(json.dumps(settings.as_arguments()))
    assert Settings(**again) == settings


def test_deviations():
    assert Gaussian((2, 5)).deviations(3).tolist() == [2, 5]
    assert Bilateral(7, (1, 2)).deviations(2).tolist() == [7, 7, 1, 2]
    assert Bilateral([7, 8], 3).deviations(1).tolist() == [7, 8, 3]


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"gaussian": 3}, "`gaussian` must be None, a `Gaussian` or a mapping"),
        ({"gaussian": {"srgb": 3}}, r"keys among \['sxy', 'weight'\]"),
        ({"gaussian": {"sxy": 0}}, "sxy=0"),
        ({"gaussian": {"sxy": (1, 2, 3)}}, "one for each axis"),
        ({"bilateral": {"srgb": -1.0}}, "srgb=-1.0"),
        ({"bilateral": {"srgb": ()}}, r"srgb=\(\)"),
        ({"bilateral": {"srgb": "5"}}, "srgb='5'"),
        ({"bilateral": {"weight": float("nan")}}, "weight=nan"),
        ({"bilateral": {"weight": -1}}, "weight=-1"),
        ({"iterations": -1}, "iterations=-1"),
        ({"iterations": 2.0}, "iterations=2.0"),
        ({"normalization": "mean"}, "normalization='mean'"),
    ],
)
def test_bad_settings(fields, message):
    with pytest.raises(ValueError, match=message):
        Settings(**fields)


def test_unknown_preset():
    with pytest.raises(ValueError, match="preset='deeplab_v3'"):
        Settings.of("deeplab_v3")
