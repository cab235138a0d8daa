"""The errors of pixels and of their pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import rand_score

from keras_seg.metrics import em
from tests.metrics.em.drawings import maps

pytestmark = pytest.mark.once

seeds = st.integers(0, 10_000)
LEVELS = [level / 10 for level in range(10)]


def stacks(seed):
    pairs = maps(seed), maps(seed + 1)
    return map(np.stack, zip(*pairs, strict=True))


@given(seed=seeds)
def test_pixel_error_is_the_mean_squared_difference(seed):
    """papers.md 3.3: per slice, averaged; minimum over the thresholds."""
    truth, probability = stacks(seed)
    each = [
        [
            np.mean((np.float64(t) - np.float64(p > level)) ** 2)
            for t, p in zip(truth, probability, strict=True)
        ]
        for level in LEVELS
    ]
    expected = np.mean(each, axis=1)
    assert em.pixel_error(truth, probability) == pytest.approx(expected.min())
    found = em.pixel_error(truth, probability, 0.3)
    assert found == pytest.approx(expected[3])


@given(seed=seeds)
def test_rand_error_is_that_of_scikit_learn(seed):
    """Of labels, 0 like any other; the mean over two slices."""
    truth, probability = stacks(seed)
    for thresholds in ([0.5], [0.2, 0.6]):
        errors = [
            1
            - np.mean(
                [
                    rand_score(em.regions(t).ravel(), em.regions(p).ravel())
                    for t, p in zip(truth, probability > level, strict=True)
                ]
            )
            for level in thresholds
        ]
        found = em.rand_error(truth, probability, thresholds)
        assert found == pytest.approx(min(errors))


@pytest.mark.parametrize("error", [em.pixel_error, em.rand_error])
@given(seed=seeds)
def test_the_truth_has_no_error(error, seed):
    truth, _ = maps(seed)
    assert error(truth, truth) == 0.0
    assert error(truth.astype("uint8") * 255, truth * 0.4 + 0.3) == 0.0


def test_interior_is_above_the_threshold():
    """Not at it; and the map of the membrane is turned by 1 - p."""
    truth, membrane = np.array([[1, 0, 1]]), np.array([[0.25, 0.5, 0.0]])
    assert em.pixel_error(truth, 1 - membrane, 0.5) == 0.0
    assert em.pixel_error(truth, 1 - membrane, 0.75) == pytest.approx(1 / 3)
    assert em.pixel_error(truth, membrane) == pytest.approx(2 / 3)


def test_a_single_pixel_has_no_pairs():
    assert em.rand_error([[1]], [[0.0]]) == 0.0
    assert em.pixel_error([[1]], [[0.0]]) == 1.0
