"""Regions and thinned borders, by what they must keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.measure import label

from keras_seg.metrics import em
from tests.metrics.em.drawings import spots

pytestmark = pytest.mark.once

seeds = st.integers(0, 10_000)
shares = st.sampled_from([0.1, 0.3, 0.5, 0.9])


@given(seed=seeds, share=shares)
def test_regions_are_four_connected(seed, share):
    interior = spots(seed, share=share)
    expected = label(interior, connectivity=1)
    np.testing.assert_array_equal(em.regions(interior), expected)


@given(seed=seeds, share=shares)
def test_cells_grow_and_do_not_touch(seed, share):
    interior = spots(seed, share=share)
    cells, thinned = em.regions(interior), em.thin(interior)
    np.testing.assert_array_equal(thinned[interior], cells[interior])
    assert set(np.unique(thinned)) - {0} == set(np.unique(cells)) - {0}
    for one, other in (
        (thinned[1:], thinned[:-1]),
        (thinned[:, 1:], thinned[:, :-1]),
    ):
        assert ((one == other) | (one == 0) | (other == 0)).all()


def test_real_lines_lie_between_two_cells(data_dir):
    """But for ties: less than 1 of 100 pixels has one cell beside it."""
    path = data_dir / "isbi2012_em/labels/20.png"
    interior = np.asarray(Image.open(path)) == 255
    thinned = em.thin(interior)
    padded = np.pad(thinned, 1)
    sides = np.stack(
        [
            padded[:-2, 1:-1],
            padded[2:, 1:-1],
            padded[1:-1, :-2],
            padded[1:-1, 2:],
        ]
    )
    lowest = np.where(sides == 0, sides.max(), sides).min(axis=0)
    between = lowest < sides.max(axis=0)
    line = thinned == 0
    assert line.mean() < 0.03 < 0.2 < 1 - interior.mean()
    assert between[line].mean() > 0.99


@pytest.mark.parametrize("width", [1, 3, 7])
def test_the_width_of_a_membrane_is_gone(width):
    """Its middle is left, to the pixel, if the width is odd."""
    interior = np.ones((6, 21), bool)
    interior[:, 10 - width // 2 : 11 + width // 2] = False
    expected = np.repeat([1, 0, 2], [10, 1, 10])
    assert (em.thin(interior) == expected).all()


def test_membrane_that_separates_nothing_is_gone():
    interior = np.ones((9, 9), bool)
    interior[4, :6] = False
    interior[1, 7] = False
    assert (em.thin(interior) == 1).all()


def test_nothing_but_membrane():
    """A flat map is one basin of a watershed, so one region."""
    assert (em.thin(np.zeros((3, 4), bool)) == 1).all()
    assert (em.regions(np.zeros((3, 4), bool)) == 0).all()


@pytest.mark.parametrize("function", [em.regions, em.thin])
def test_slices_of_a_stack_know_nothing_of_each_other(function):
    stack = np.stack([spots(seed) for seed in range(3)])
    expected = [function(interior) for interior in stack]
    found = function(stack)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, function(stack.astype("uint8") * 255))
    assert found.dtype == np.int32
