"""Clusters to classes, against the best of all ways."""

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.unsupervised import match_clusters

pytestmark = pytest.mark.once


def right(matrix, match):
    """The pixels whose cluster's class is theirs."""
    return matrix[np.arange(len(matrix)), match].sum()


@given(
    seed=st.integers(0, 10_000),
    clusters=st.integers(1, 5),
    classes=st.integers(1, 5),
)
def test_no_assignment_is_better(seed, clusters, classes):
    """All ways to give clusters classes, no class twice, are tried."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 50, (clusters, classes))
    match = match_clusters(matrix)
    assert match.dtype == np.int64 and match.shape == (clusters,)
    if clusters <= classes:
        assert len(set(match)) == clusters
        every = itertools.permutations(range(classes), clusters)
        best = max(right(matrix, list(way)) for way in every)
        assert right(matrix, match) == best
        return
    # One cluster for each class; those left over have the most of theirs.
    totals = []
    for chosen in itertools.permutations(range(clusters), classes):
        tried = matrix.argmax(axis=1)
        tried[list(chosen)] = range(classes)
        one_each = matrix[list(chosen), range(classes)].sum()
        totals.append((one_each, right(matrix, tried)))
    most = max(one_each for one_each, _ in totals)
    assert set(match) == set(range(classes))
    assert right(matrix, match) in [
        total for one_each, total in totals if one_each == most
    ]


@given(seed=st.integers(0, 10_000), clusters=st.integers(1, 9))
def test_majority_is_optimistic(seed, clusters):
    """No way is better, and none is allowed that two clusters share."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 50, (clusters, 3))
    match = match_clusters(matrix, "majority")
    assert right(matrix, match) == matrix.max(axis=1).sum()
    assert right(matrix, match) >= right(matrix, match_clusters(matrix))


def test_by_hand():
    """Both clusters are mostly class 0; one class each is right for 9 + 3."""
    matrix = [[9, 1], [5, 3]]
    assert match_clusters(matrix).tolist() == [0, 1]
    assert match_clusters(matrix, "majority").tolist() == [0, 0]


def test_permuted_classes_are_found():
    rng = np.random.default_rng(0)
    order = rng.permutation(7)
    matrix = np.diag(rng.integers(1, 9, 7))[order]
    assert match_clusters(matrix).tolist() == order.tolist()


def test_empty_cluster_left_over():
    matrix = [[5, 0], [0, 0], [0, 5]]
    assert match_clusters(matrix).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "matrix", [[1, 2], [[]], [[1, -1]], [[float("nan")]], [["a"]]]
)
def test_bad_matrix(matrix):
    with pytest.raises(ValueError, match="`matrix`.*Received: shape"):
        match_clusters(matrix)


def test_bad_method():
    with pytest.raises(ValueError, match="Received: method='best'"):
        match_clusters([[1]], "best")


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match=r"keras-seg\[classical\]"):
        match_clusters([[1]])
    assert match_clusters([[1]], "majority").tolist() == [0]
