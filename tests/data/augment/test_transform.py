import copy
import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_seg.data import augment
from tests.data.augment.pairs import coloring
from tests.data.augment.pairs import coordinates
from tests.data.augment.pairs import pairs
from tests.data.augment.pairs import spatial
from tests.data.augment.pairs import transforms

pytestmark = pytest.mark.once


@settings(max_examples=150)
@given(pairs(channels=(1, 3)), transforms(), st.integers(0, 99))
def test_no_new_id_but_void_and_dtypes_stay(pair, transform, seed):
    image, mask = transform(*pair, np.random.default_rng(seed))
    assert image.dtype == pair[0].dtype and mask.dtype == pair[1].dtype
    assert image.shape == (*mask.shape, pair[0].shape[2])
    assert set(mask.flat) <= {*pair[1].flat, 255}
    assert image.min() >= 0 and image.max() <= 255


@settings(max_examples=60)
@given(pairs(), transforms(color=False), st.integers(0, 99))
def test_any_number_of_channels(pair, transform, seed):
    image, mask = transform(*pair, np.random.default_rng(seed))
    assert image.dtype == pair[0].dtype and mask.dtype == pair[1].dtype
    assert image.shape == (*mask.shape, pair[0].shape[2])


@settings(max_examples=60)
@given(pairs(channels=(1, 3)), transforms(), st.integers(0, 99))
def test_same_seed_same_result_and_inputs_are_left_alone(pair, transform, seed):
    before = copy.deepcopy(pair)
    for array in pair:
        array.setflags(write=False)
    first, second = (
        transform(*pair, np.random.default_rng(seed)) for _ in range(2)
    )
    for i in range(2):
        np.testing.assert_array_equal(first[i], second[i])
        np.testing.assert_array_equal(pair[i], before[i])


@settings(max_examples=100)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    spatial(),
    st.integers(0, 99),
)
def test_image_and_mask_move_together(height, width, transform, seed):
    pair = coordinates(height, width)
    image, mask = transform(*pair, np.random.default_rng(seed))
    # What lies outside has the mean of the fill for two channels, and void.
    assert (image[mask == 255] == 115).all()
    known = mask != 255
    source = np.stack(np.divmod(mask[known] - 1000, width), axis=-1)
    # The nearest pixel is half a pixel away at most; a smaller image is an
    # average of up to 2 / .3 pixels, which an edge cuts in half.
    limit = 0.5
    if isinstance(transform, augment.RandomScale):
        limit = max(0.5, 1.0 * max(np.divide(pair[1].shape, mask.shape)))
    assert (abs(image[known] - source) <= limit + 1e-4).all()


@given(pairs(channels=(1, 3)), coloring(), st.integers(0, 99))
def test_colors_leave_the_mask_alone(pair, transform, seed):
    _, mask = transform(*pair, np.random.default_rng(seed))
    assert mask is pair[1]


@given(pairs(), transforms(color=False))
def test_size_after_tells_the_truth(pair, transform):
    size = augment.size_after([transform])
    shapes = {
        transform(*pair, np.random.default_rng(seed))[1].shape
        for seed in range(3)
    }
    if size is not None:
        expected = pair[1].shape if size == augment.INPUT_SIZE else size
        assert shapes == {expected}


def test_sizes_of_chains():
    scale, crop = augment.RandomScale(), augment.RandomCrop((4, 6))
    square, turns = augment.RandomCrop(4), augment.RandomQuarterTurns()

    def other(image, mask, rng):
        return image, mask

    for chain, size in (
        ([], "input"),
        ([augment.RandomFlip(), other], "input"),
        ([scale], None),
        ([crop, scale], None),
        ([scale, augment.RandomFlip(), crop], (4, 6)),
        ([turns], None),
        ([crop, turns], None),
        ([crop, turns, square], (4, 4)),
        ([square, turns], (4, 4)),
        ([scale, augment.BalancedCrop(3), other], (3, 3)),
    ):
        assert augment.size_after(chain) == size


def test_apply_is_one_after_the_other():
    image, mask = coordinates(9, 7)
    chain = [
        augment.RandomFlip(),
        augment.RandomQuarterTurns(),
        augment.BalancedCrop(5),
        lambda image, mask, rng: (image + rng.random(), mask),
    ]
    got = augment.apply(chain, image, mask, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    for transform in chain:
        image, mask = transform(image, mask, rng)
    np.testing.assert_array_equal(got[0], image)
    np.testing.assert_array_equal(got[1], mask)


@given(transforms())
def test_transforms_are_frozen_values(transform):
    again = pickle.loads(pickle.dumps(transform))  # noqa: S301
    assert again == transform
    assert hash(transform) == hash(copy.deepcopy(transform))
    assert dataclasses.replace(transform) == transform
    for field in dataclasses.fields(transform)[:1]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(transform, field.name, 0)


@pytest.mark.parametrize(
    ("kind", "arguments", "allowed", "found"),
    [
        ("ColorJitter", {"hue": 0.6}, "`hue` must be .5, half a turn, at most",
         "hue=0.6"),
        ("ColorJitter", {"brightness": -1}, "`brightness` must be a number of "
         "0 or more", "brightness=-1"),
        ("GrayJitter", {"shift": "3"}, "`shift` must be a number of 0 or more",
         "shift=3"),
        ("RandomRotation", {"degrees": -3}, "`degrees` must be a number of 0 "
         "or more", "degrees=-3"),
        ("RandomShift", {"pixels": 1.5}, "`pixels` must be an int of 0 or "
         "more", "pixels=1.5"),
        ("RandomFlip", {"horizontal": 1.5}, "`horizontal` must be a number of "
         "0..1", "horizontal=1.5"),
        ("RandomFlip", {"vertical": -0.1}, "`vertical` must be a number of "
         "0..1", "vertical=-0.1"),
        ("ElasticDeformation", {"grid": 1}, "`grid` must be an int of 2 or "
         "more", "grid=1"),
        ("ElasticDeformation", {"sigma": -1}, "`sigma` must be a number of 0 "
         "or more", "sigma=-1"),
        ("RandomScale", {"low": 2, "high": 0.5}, "`low` and `high` must be "
         "numbers with 0 < low <= high", "low=2, high=0.5"),
        ("RandomScale", {"low": 0}, "`low` and `high` must be numbers with "
         "0 < low <= high", "low=0, high=2.0"),
        ("RandomScale", {"factors": ()}, "`factors` must be numbers above 0",
         "factors=()"),
        ("RandomScale", {"factors": [1, -2]}, "`factors` must be numbers "
         "above 0", "factors=(1.0, -2.0)"),
        ("RandomCrop", {"size": 0}, "`size` must be an int of 1 or more",
         "size=0"),
        ("RandomCrop", {"size": (4, -1)}, "`size` must be an int of 1 or more",
         "size=-1"),
        ("BalancedCrop", {"size": 1.5}, "`size` must be an int of 1 or more",
         "size=1.5"),
        ("BalancedCrop", {"size": (4, 4, 3)}, "`size` must be an int or "
         "(height, width)", "size=(4, 4, 3)"),
        ("BalancedCrop", {"size": 4, "probability": 2}, "`probability` must be "
         "a number of 0..1", "probability=2"),
        ("BalancedCrop", {"size": 4, "weights": [1, -1]}, "`weights` must be "
         "numbers of 0 or more, one for each class", "weights=(1.0, -1.0)"),
        ("BalancedCrop", {"size": 4, "weights": []}, "`weights` must be "
         "numbers of 0 or more, one for each class", "weights=()"),
        ("GaussianBlur", {"sigma": -1}, "`sigma` must be a number of 0 or "
         "more", "sigma=-1"),
        ("GaussianNoise", {"sigma": "a"}, "`sigma` must be a number of 0 or "
         "more", "sigma=a"),
        ("GaussianNoise", {"probability": 2}, "`probability` must be a number "
         "of 0..1", "probability=2"),
        ("JPEGCompression", {"quality": 0}, "`quality` must be an int of 1 or "
         "more", "quality=0"),
        ("JPEGCompression", {"quality": 96}, "`quality` must be 95 at most",
         "quality=96"),
        ("CoarseDropout", {"holes": 0}, "`holes` must be an int of 1 or more",
         "holes=0"),
        ("CoarseDropout", {"size": 1.5}, "`size` must be a number of 0..1",
         "size=1.5"),
        ("CoarseDropout", {"probability": -1}, "`probability` must be a "
         "number of 0..1", "probability=-1"),
        ("RandomPerspective", {"distortion_scale": 0.6}, "`distortion_scale` "
         "must be .5 at most", "distortion_scale=0.6"),
    ],
)  # fmt: skip
def test_bad_arguments(kind, arguments, allowed, found):
    with pytest.raises(ValueError) as caught:
        getattr(augment, kind)(**arguments)
    assert str(caught.value) == f"{allowed}. Received: {found}"
