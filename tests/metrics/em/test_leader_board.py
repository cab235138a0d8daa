"""The ranking: the best threshold, after thinning; and a real slice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from keras_seg.metrics import em
from tests.metrics.em.drawings import maps

pytestmark = pytest.mark.once


@given(seed=st.integers(0, 10_000))
def test_it_is_the_best_mean_of_the_parts(seed):
    truth, probability = map(
        np.stack, zip(maps(seed), maps(seed + 1), strict=True)
    )
    levels = (0.2, 0.5, 0.8)
    cells = em.regions(truth)
    for score, name in (
        (em.foreground_rand, "v_rand"),
        (em.information, "v_info"),
    ):
        each = [
            score(cells, em.thin(probability > level)).f_score
            for level in levels
        ]
        found = em.leader_board(truth, probability, levels)._asdict()
        assert found[name] == pytest.approx(max(each))
        assert found[f"{name}_threshold"] == levels[np.argmax(each)]


def test_thresholds_of_the_challenge():
    """10 levels: a membrane at .85 is found above .9 only, at 0 by none."""
    truth = np.array([[1, 1, 0, 1, 1]])
    probability = np.array([[1, 1, 0.85, 1, 1]])
    assert em.leader_board(truth, probability) == (1.0, 1.0, 0.9, 0.9)
    none = em.leader_board(truth, np.ones((1, 5)))
    # Two cells merged: precision 2 · .5², recall 1; no information.
    assert none == pytest.approx((2 / 3, 0.0, 0.0, 0.0))


def test_slices_without_interior_are_left_out():
    truth = np.zeros((2, 1, 5), int)
    truth[0] = [1, 1, 0, 1, 1]
    result = em.leader_board(truth, truth)
    assert result == (1.0, 1.0, 0.0, 0.0)
    nothing = em.leader_board(truth[1], truth[1])
    assert np.isnan(nothing.v_rand) and np.isnan(nothing.v_info)


@pytest.fixture(scope="module")
def interior(data_dir):
    """A real slice: 255 is cell interior, 0 membrane."""
    path = data_dir / "isbi2012_em/labels/20.png"
    return np.asarray(Image.open(path)) == 255


def test_a_real_truth_is_perfect(interior):
    """Exactly: thinning keeps each cell, and membrane does not count."""
    assert em.leader_board(interior, interior, 0.5)[:2] == (1.0, 1.0)


def test_real_membranes_drawn_wider(interior):
    """By 1 pixel on either side: after thinning nearly nothing is lost.

    Not exactly nothing: a few narrow cells are closed or cut. Without
    thinning, the pixels that are missing at the rims cost 0.04.
    """
    wider = ndimage.binary_erosion(interior, border_value=1)
    thinned = em.leader_board(interior, wider, 0.5)
    assert 0.999 < thinned.v_rand < 1 and 0.998 < thinned.v_info < 1
    cells = em.regions(interior)
    plain = em.foreground_rand(cells, em.regions(wider))
    assert plain.precision == pytest.approx(1, abs=1e-3)
    assert plain.f_score < thinned.v_rand - 0.03
    assert em.warping_error(interior, wider, 0.5) < 1e-4
    assert em.pixel_error(interior, wider) > 0.05


def test_real_membranes_with_gaps(interior):
    """Cells dilated by 2 pixels break through to each other."""
    merged = ndimage.binary_dilation(interior, iterations=2)
    result = em.leader_board(interior, merged, 0.5)
    assert result.v_rand < 0.9 and result.v_info < 0.95
    cells = em.regions(interior)
    pairs = em.foreground_rand(cells, em.thin(merged))
    assert pairs.recall == 1.0 and pairs.precision < 0.9
    error = em.warping_error(interior, merged, 0.5)
    assert error == em.warping_error(
        interior, merged, 0.5, "splits_and_mergers"
    )
    assert error > 5 * em.warping_error(interior, merged, 0.5, "clusters") > 0
