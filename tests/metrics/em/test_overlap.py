"""The table of overlaps against one that is counted in a dense matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.metrics.em.overlap import count_overlaps
from keras_seg.metrics.em.overlap import restrict
from tests.metrics.em.drawings import labels

pytestmark = pytest.mark.once

seeds = st.integers(0, 10_000)


@given(seed=seeds)
def test_counts(seed):
    truth, found = labels(seed, 5), labels(seed + 1, 7)
    dense = np.zeros((6, 8))
    np.add.at(dense, (truth, found), 1)
    table = count_overlaps(truth, found)
    rows, columns = np.nonzero(dense)
    np.testing.assert_array_equal(table.pairs, dense[rows, columns])
    np.testing.assert_array_equal(table.truth_of_pair, dense.sum(1)[rows])
    np.testing.assert_array_equal(table.found_of_pair, dense.sum(0)[columns])
    np.testing.assert_array_equal(table.truth, dense.sum(1)[dense.any(1)])
    np.testing.assert_array_equal(table.found, dense.sum(0)[dense.any(0)])


def test_labels_far_apart():
    """2^31 - 1, the largest: no table of that size, and no overflow."""
    truth = np.array([1, 2**31 - 1, 2**31 - 1])
    table = count_overlaps(truth, truth[::-1])
    assert table.pairs.tolist() == [1, 1, 1]
    assert table.found_of_pair.tolist() == [2, 1, 2]


@given(seed=seeds)
def test_membrane_found_in_the_foreground_is_alone(seed):
    truth, found = labels(seed), labels(seed + 1)
    inside, alone = restrict(truth, found)
    foreground = truth != 0
    np.testing.assert_array_equal(inside, truth[foreground])
    kept = found[foreground] != 0
    np.testing.assert_array_equal(alone[kept], found[foreground][kept])
    assert len(set(alone[~kept])) == (~kept).sum()
    assert not set(alone[~kept]) & set(alone[kept])
