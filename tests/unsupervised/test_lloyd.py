import numpy as np
import pytest

from keras_seg.unsupervised.lloyd import nearest
from keras_seg.unsupervised.lloyd import weighted_kmeans

pytestmark = pytest.mark.once


def test_nearest():
    """The first of equally near centres; more rows than are taken at once."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 9, (40_000, 3)).astype(float)
    centers = rows[:5]
    distances = ((rows[:, None] - centers) ** 2).sum(axis=-1)
    assert (np.sort(distances)[:, 0] == np.sort(distances)[:, 1]).any()
    np.testing.assert_array_equal(
        nearest(rows, centers), distances.argmin(axis=1)
    )


def test_far_from_zero():
    """Squares of a million would drown differences of a millionth."""
    rows = 1e6 + np.array([[0.0], [1e-6], [3e-6]])
    assert nearest(rows, rows[[0, 2]]).tolist() == [0, 0, 1]


def test_rows_that_cannot_be_told_apart():
    """Distinct, but not after scikit-learn has taken the mean off."""
    rows = np.array([[1e9], [np.nextafter(1e9, 2e9)], [-1e9]])
    counts = np.array([1, 2, 10])
    centers, found, inertia = weighted_kmeans(
        np.concatenate([rows, rows + 5e8, rows + 5e8 + 1e-7]),
        np.tile(counts, 3),
        8,
        None,
        1,
        300,
        1e-4,
        0,
    )
    assert len(centers) == len(found) <= 8 and (found > 0).all()
    assert found.sum() == 39 and inertia < 1


@pytest.mark.parametrize("tolerance", [0.0, 1e-3, 1e-2, 0.1, 1.0])
def test_weights_are_repetitions(tolerance):
    """A row that counts thirty is a row thirty times.

    So it is for the tolerance: what is frequent is close together here, and
    the variance of all is less than a tenth of that of the distinct.
    """
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 2)) ** 3
    counts = np.where((np.abs(rows) < 1).all(axis=1), 30, 1)
    repeated = np.repeat(rows, counts, axis=0)
    ones = np.ones(len(repeated), int)
    settings = 9, rows[:9] + 0.01, 1, 300, tolerance, 0
    one = weighted_kmeans(rows, counts, *settings)
    other = weighted_kmeans(repeated, ones, *settings)
    for found, expected in zip(one, other, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-9)
