import copy
import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_seg.data import augment
from tests.data.augment.pairs import coordinates
from tests.data.augment.pairs import pairs
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
    transforms(color=False).filter(
        lambda t: not isinstance(t, augment.GreyJitter)
    ),
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
