"""Transforms by name and strength."""

import inspect
import json
import re
import warnings

import numpy as np
import pytest
import yaml

from keras_seg.data import Batches
from keras_seg.data import augment
from keras_seg.data.augment.named import NAMES
from keras_seg.data.augment.named import STRENGTHS
from keras_seg.runs import Settings

pytestmark = pytest.mark.once


def kinds(*arguments, **options):
    return [type(x).__name__ for x in augment.named(*arguments, **options)]


def test_standard_is_what_runs_had_before_there_were_names():
    """Recorded results were trained with these: RunFolder's defaults."""
    settings = Settings()
    assert augment.named(
        crop=settings.crop, scale=settings.scale, flip=settings.flip
    ) == [
        augment.RandomScale(0.75, 1.5),
        augment.RandomCrop((256, 256)),
        augment.RandomFlip(),
    ]
    assert augment.named("standard", crop=(4, 9), scale=None, flip=False) == [
        augment.RandomCrop((4, 9))
    ]
    assert augment.named("standard", crop=None, scale=None) == [
        augment.RandomFlip()
    ]


def test_strengths():
    assert kinds("none") == []
    assert kinds("none", crop=8) == ["RandomCrop"]
    assert kinds("light", crop=8) == ["RandomCrop", "RandomFlip"]
    strong = kinds("strong", crop=8)
    assert strong[:3] == ["RandomScale", "RandomCrop", "RandomFlip"]
    assert set(strong[3:]) == {
        *("RandomRotation", "RandomPerspective", "ColorJitter"),
        *("GaussianBlur", "GaussianNoise", "JPEGCompression"),
        "CoarseDropout",
    }
    # Each has all of the one before.
    order = [set(kinds(name, crop=8)) for name in STRENGTHS]
    assert all(a < b for a, b in zip(order, order[1:], strict=False))


def test_every_transform_has_a_name():
    named = {
        type(x).__name__
        for name in NAMES
        for x in augment.named(name, crop=(8, 8))
    }
    classes = {
        name
        for name in augment.__all__
        if inspect.isclass(thing := getattr(augment, name))
        and issubclass(thing, augment.Transform)
        and not inspect.isabstract(thing)
    }
    assert named == classes


@pytest.mark.parametrize("name", NAMES)
def test_each_by_itself_in_batches(name):
    rng = np.random.default_rng(0)
    dataset = [
        (
            rng.integers(0, 256, (20, 24, 3), "uint8"),
            rng.integers(0, 5, (20, 24), "uint8"),
        )
        for _ in range(3)
    ]
    transforms = augment.named(name, crop=16)
    assert len(transforms) == (1 if name == "balanced_crop" else 2)
    images, masks = Batches(dataset, 3, transforms)[0]
    assert images.shape == (3, 16, 16, 3)
    assert set(np.unique(masks)) <= {*range(5), 255}


def test_strings_lists_and_dicts_say_the_same():
    expected = [
        augment.RandomCrop(8),
        augment.RandomFlip(),
        augment.CutMix(),
        augment.GaussianBlur(0.5),
        augment.GaussianNoise(8),
    ]
    for written in (
        "light,cutmix,blur=0.5,noise=8",
        " Noise=8 , light, CutMix,blur=5e-1",
        ["light", "cutmix", "blur=0.5", {"noise": 8}],
        {"light": None, "cutmix": None, "blur": {"sigma": 0.5}, "noise": 8},
        ["light,blur=9,cutmix", {"blur": 0.5, "noise": 8}],
        {"light": True, "jpeg": False, "cutmix": 0.5, "blur": 0.5, "noise": 8},
        "light,jpeg,cutmix,blur=0.5,noise=8,jpeg=none",
        yaml.safe_load("[light, cutmix, {blur: 0.5}, noise=8]"),
        json.loads('{"light": null, "cutmix": true, "blur": 0.5, "noise": 8}'),
    ):
        assert augment.named(written, crop=8) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("copy-paste=1", augment.CopyPaste(probability=1)),
        ({"copy_paste": {"classes": [3, 4]}}, augment.CopyPaste((3, 4))),
        ("color=0.4", augment.ColorJitter(0.4, 0.4, 0.4, 0.1)),
        ("gray=0.5", augment.GrayJitter(50, 0.5)),
        ("shift=3", augment.RandomShift(3)),
        ("vertical_flip", augment.RandomFlip(0, 0.5)),
        ({"flip": {"vertical": 0.5}}, augment.RandomFlip(0.5, 0.5)),
        ({"dropout": {"void": False}}, augment.CoarseDropout(void=False)),
        ({"blur": {"sigma": 1, "probability": 1}},
         augment.GaussianBlur(1, probability=1)),
        ("perspective=0.5", augment.RandomPerspective(0.5)),
        ("jpeg=10", augment.JPEGCompression(10)),
        ("turns", augment.RandomQuarterTurns()),
        ("elastic=4", augment.ElasticDeformation(sigma=4)),
    ],
)  # fmt: skip
def test_numbers_and_arguments(written, expected):
    assert augment.named(written) == [expected]


def test_scale_and_balanced_crop():
    assert augment.named("balanced_crop=0.5,scale", crop=8) == [
        augment.RandomScale(0.75, 1.5),
        augment.BalancedCrop(8, probability=0.5),
    ]
    assert augment.named(
        {"scale": {"factors": [0.5, 1]}}, crop=8, scale=(0.5, 2)
    ) == [
        augment.RandomScale(0.5, 2, (0.5, 1.0)),
        augment.RandomCrop(8),
    ]


def test_many_bands():
    for channels in (1, 3):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert "JPEGCompression" in kinds(
                "strong", crop=8, channels=channels
            )
    with pytest.warns(UserWarning) as caught:
        transforms = augment.named("strong", crop=8, channels=6)
    assert [str(warning.message) for warning in caught] == [
        "`augment`: 'strong' has 'gray' in place of 'color' and no 'jpeg' "
        "for images of 6 channels, since those need 1 or 3."
    ]
    image, mask = np.zeros((9, 9, 6), "uint8"), np.zeros((9, 9), "uint8")
    image, _ = augment.apply(transforms, image, mask, np.random.default_rng(0))
    assert image.shape == (8, 8, 6)
    assert augment.GrayJitter(30, 0.3) in transforms
    with pytest.raises(ValueError, match="'jpeg' needs images of 1 or 3 "):
        augment.named("light,jpeg", crop=8, channels=6)
    # It needs no crop here: nothing changes sizes.
    assert kinds("light", channels=6) == ["RandomFlip"]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("blurr=1", "there is no 'blurr'. Did you mean 'blur'? There are none"),
        ("string", "there is no 'string'. Did you mean 'strong'?"),
        ("", "there is no ''. There are none, light, standard, strong, scale"),
        ("blur=much", "'much' is no number"),
        ("strong=2", "'strong' takes no number"),
        ("turns=2", "'turns' takes no number"),
        ("scale=1", "'scale' takes no number"),
        ({"blur": "2"}, "'blur' takes a number or a dict"),
        ({"blur": [1, 2]}, "'blur' takes a number or a dict"),
        ({"blur": {"sigmas": 1}}, "'blur' has no 'sigmas'. Did you mean "
         "'sigma'? It has sigma, probability"),
        (3, "names are a string, a list or a dict"),
        (None, "names are a string, a list or a dict"),
    ],
)  # fmt: skip
def test_mistakes(written, reason):
    with pytest.raises(ValueError) as caught:
        augment.named(written, crop=8)
    text = str(caught.value)
    assert text.startswith(f"`augment`: {reason}")
    assert text.endswith(f". Received: augment={written!r}")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("blur=-1", "`augment`, 'blur': `sigma` must be a number of 0 or "
         "more. Received: sigma=-1"),
        ("shift=0.5", "`augment`, 'shift': `pixels` must be an int of 0 or "
         "more. Received: pixels=0.5"),
        ({"copy_paste": {"classes": "car"}}, "`augment`, 'copy_paste': "
         "`classes` must be an int of 0 or more. Received: classes='car'"),
        ("noise=inf", "`augment`, 'noise': `sigma` must be a number of 0 or "
         "more. Received: sigma=inf"),
    ],
)  # fmt: skip
def test_numbers_that_cannot_be(written, text):
    with pytest.raises(ValueError) as caught:
        augment.named(written)
    assert str(caught.value) == text


@pytest.mark.parametrize("written", ["standard", "scale", "balanced_crop"])
def test_what_needs_a_crop(written):
    with pytest.raises(ValueError, match="needs a crop, for one size"):
        augment.named(written)


def test_the_docstring_lists_all_with_their_numbers():
    text = inspect.getdoc(augment.named)
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)`.* \|(.*)\|$", text, re.M)
    assert [name for name, _, _ in rows] == list(NAMES)
    for name, kind, number in rows:
        (transform,) = (
            x
            for x in augment.named(name, crop=(8, 8))
            if type(x) is not augment.RandomCrop
        )
        assert type(transform).__name__ == kind
        if NAMES[name].fields:
            assert float(number.split(", ")[-1]) == NAMES[name].number
        else:
            assert number.strip().startswith("none")
    strengths = re.findall(r'^\| `"(\w+)"` \|', text, re.M)
    assert strengths == list(STRENGTHS)
