"""The warping error: what it forgives and what it counts, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import label

from keras_seg.metrics import em
from keras_seg.metrics.em.simple_points import SIMPLE
from keras_seg.metrics.em.simple_points import neighbourhoods
from keras_seg.metrics.em.warping import splits_and_mergers
from keras_seg.metrics.em.warping import warp
from tests.metrics.em.drawings import maps

pytestmark = pytest.mark.once

KINDS = ["mismatches", "splits_and_mergers", "clusters"]
seeds = st.integers(0, 10_000)


def two_cells(shape=(8, 11), at=5):
    interior = np.ones(shape, bool)
    interior[:, at] = False
    return interior


def counts(truth, found):
    """Pixels of each kind of a single slice."""
    return [
        round(em.warping_error(truth, found, 0.5, kind) * truth.size, 9)
        for kind in KINDS
    ]


def test_a_border_aside_is_no_error():
    truth = two_cells()
    for found in (two_cells(at=4), two_cells(at=6)):
        assert em.pixel_error(truth, found) == 2 / 11
        assert counts(truth, found) == [0, 0, 0]


def test_a_border_elsewhere_is():
    """By 2 columns: the one between them is right in both, and in the way.

    The new border grows down to its last pixel, which would split the cell;
    the 8 of the old one would merge it with the column between.
    """
    assert counts(two_cells(), two_cells(at=7))[0] == 8 + 1


def test_a_wider_border_is_no_error():
    truth = two_cells()
    wide = truth & two_cells(at=4) & two_cells(at=6)
    assert counts(truth, wide) == [0, 0, 0]
    assert counts(wide, truth) == [0, 0, 0]


def test_merged_cells():
    """A gap of 3 pixels, each of which merges the two: one mistake."""
    found = two_cells()
    found[3:6, 5] = True
    assert counts(two_cells(), found) == [3, 3, 1]


def test_a_split_cell():
    """A false border of 8 pixels grows but for its last one."""
    truth = np.ones((8, 11), bool)
    assert counts(truth, two_cells()) == [1, 1, 1]


def test_a_lost_cell_is_neither_split_nor_merged():
    """A cell of 4 pixels shrinks to its last one."""
    truth = np.zeros((6, 6), bool)
    truth[2:4, 2:4] = True
    nothing = np.zeros_like(truth)
    assert counts(truth, nothing) == [1, 0, 0]
    assert counts(nothing, truth) == [4, 0, 0]


def test_holes_are_neither_split_nor_merged():
    full = np.ones((7, 7), bool)
    hole = full.copy()
    hole[3, 3] = False
    assert counts(full, hole) == [1, 0, 0]
    assert counts(hole, full) == [1, 0, 0]


def test_the_least_likely_is_flipped_first():
    """Of a cell of two pixels one can go: the farther from the threshold."""
    truth = np.ones((1, 2), bool)
    for probability, last in (([0.1, 0.3], 1), ([0.3, 0.1], 0), ([0, 0], 1)):
        warped, differs = warp(truth, np.array([probability]), 0.5)
        np.testing.assert_array_equal(differs, [[last == 0, last == 1]])
        np.testing.assert_array_equal(warped, differs)


@given(seed=seeds, threshold=st.sampled_from([0.2, 0.5, 0.7]))
def test_warping_keeps_the_topology(seed, threshold):
    """And ends where no pixel that differs is simple."""
    truth, probability = maps(seed)
    warped, differs = warp(truth, probability, threshold)
    for background, connectivity in ((False, 1), (True, 2)):
        before, after = (
            label(np.pad(x, 1) != background, connectivity=connectivity).max()
            for x in (truth, warped)
        )
        assert before == after
    found = probability > threshold
    np.testing.assert_array_equal(warped != found, differs)
    assert not (differs & (truth == found)).any()
    assert not any(SIMPLE[code] for code in neighbourhoods(warped)[differs])


@given(seed=seeds)
def test_splits_and_mergers_by_the_cells_around(seed):
    """What the pixel would do, by labelling the map without it."""
    truth, probability = maps(seed)
    warped, differs = warp(truth, probability, 0.5)
    splits, mergers = splits_and_mergers(warped, differs)
    assert not (splits & mergers).any() and not (splits & ~differs).any()
    for y, x in np.argwhere(differs):
        without = warped.copy()
        without[y, x] = False
        around = np.s_[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        apart = set(label(without, connectivity=1)[around].flat) - {0}
        if warped[y, x]:
            assert splits[y, x] == (len(apart) > 1)
        else:
            assert mergers[y, x] == (len(apart) > 1)


def test_a_ring_that_is_cut_once_is_one_cell():
    """Its hole is lost, nothing is split; a second cut splits it."""
    ring = np.zeros((50, 50), bool)
    ring[1:-1, 1:-1] = True
    ring[2:-2, 2:-2] = False
    once = ring.copy()
    once[1, 25] = False
    twice = once.copy()
    twice[-2, 25] = False
    assert counts(ring, once) == [1, 0, 0]
    # The first that is tried, by columns the upper one, is not simple
    # either: both are left, and either alone would only open the ring.
    assert counts(ring, twice) == [2, 0, 0]
    assert counts(once, twice) == [1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_slices_are_averaged_and_the_best_threshold_taken(kind):
    truth, probability = map(
        np.stack, zip(*[maps(seed) for seed in range(3)], strict=True)
    )
    each = [
        np.mean(
            [
                em.warping_error(t, p, level, kind)
                for t, p in zip(truth, probability, strict=True)
            ]
        )
        for level in (0.1, 0.5, 0.9)
    ]
    found = em.warping_error(truth, probability, (0.1, 0.5, 0.9), kind)
    assert found == pytest.approx(min(each)) and found > 0
    assert em.warping_error(truth, truth, kind=kind) == 0.0


def test_no_such_kind():
    with pytest.raises(ValueError, match="Received: kind='pixels'"):
        em.warping_error([[1]], [[1]], kind="pixels")
