"""Masks of several labels: every transform moves all planes alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_seg.data import augment
from tests.data.augment.pairs import SIDES
from tests.data.augment.pairs import transforms

pytestmark = pytest.mark.once


@st.composite
def stacks(draw):
    """An image, and a mask of several labels with void."""
    shape = (draw(SIDES), draw(SIDES), draw(st.integers(1, 4)))
    values = st.sampled_from([0, 1, 255])
    mask = draw(hnp.arrays("uint8", shape, elements=values))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return rng.integers(0, 256, (*shape[:2], 3), "uint8"), mask


@settings(max_examples=80)
@given(
    stacks(),
    # A balanced crop looks for a class among all planes.
    transforms().filter(lambda t: not isinstance(t, augment.BalancedCrop)),
    st.integers(0, 99),
)
def test_planes_are_transformed_as_one_by_one(pair, transform, seed):
    image, mask = pair
    moved, stack = transform(image, mask, np.random.default_rng(seed))
    assert stack.dtype == mask.dtype and moved.shape[:2] == stack.shape[:2]
    for plane in range(mask.shape[2]):
        own = np.random.default_rng(seed)
        alone = transform(image, mask[..., plane], own)
        np.testing.assert_array_equal(moved, alone[0])
        np.testing.assert_array_equal(stack[..., plane], alone[1])


@given(stacks(), st.floats(0.3, 3), st.tuples(SIDES, SIDES), st.integers(0, 9))
def test_scale_and_crop_in_one_step(pair, factor, size, seed):
    image, mask = pair
    chain = [augment.RandomScale(factors=(factor,)), augment.RandomCrop(size)]
    _, stack = augment.apply(chain, image, mask, np.random.default_rng(seed))
    for plane in range(mask.shape[2]):
        _, alone = augment.apply(
            chain, image, mask[..., plane], np.random.default_rng(seed)
        )
        np.testing.assert_array_equal(stack[..., plane], alone)


@given(stacks(), st.integers(0, 99))
def test_balanced_crop_is_around_a_pixel_of_a_class(pair, seed):
    image, mask = pair
    crop = augment.BalancedCrop(1)
    _, stack = crop(image, mask, np.random.default_rng(seed))
    assert stack.shape == (1, 1, mask.shape[2])
    assert (stack == 1).any() == (mask == 1).any()


def test_balanced_crop_draws_by_weight():
    mask = np.zeros((50, 50, 3), "uint8")
    mask[3, 4, 1] = mask[40, 9, 2] = 1
    image, rng = np.zeros((50, 50, 1), "uint8"), np.random.default_rng(0)
    crop = augment.BalancedCrop(3, weights=(5, 0, 1))
    for _ in range(20):
        stack = crop(image, mask, rng)[1]
        assert stack[..., 2].sum() == 1 and not stack[..., :2].any()
