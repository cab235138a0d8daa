"""U-Net's weight map against papers.md 7.3, and all distances in NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from keras_seg.data import synthetic
from keras_seg.losses import border_weights

pytestmark = pytest.mark.once


def by_all_distances(mask, w0=10.0, sigma=5.0):
    """Every pixel to every pixel of every cell."""
    labels, number = ndimage.label(mask == 1)
    weights = np.ones(mask.shape)
    cells = [np.argwhere(labels == n) for n in range(1, number + 1)]
    for place in np.argwhere(mask != 1) if number > 1 else ():
        nearest = sorted(
            np.sqrt(((cell - place) ** 2).sum(1)).min() for cell in cells
        )
        d = nearest[0] + nearest[1]
        weights[tuple(place)] += w0 * np.exp(-(d**2) / (2 * sigma**2))
    weights[mask == 255] = 0
    return weights


@pytest.mark.parametrize(
    ("gap", "expected"), [(1, 9.231), (9, 1.3534), (19, 0.00335)]
)
def test_check_values(gap, expected):
    """papers.md 7.3: d1 + d2 = 2, 10 and 20, in the middle of a gap."""
    mask = np.ones((1, gap + 4), "uint8")
    mask[:, 2:-2] = 0
    weights = border_weights(mask)
    assert weights.dtype == "float32"
    # Along the line between two cells d1 + d2 is the same everywhere.
    np.testing.assert_allclose(weights[0, 2:-2] - 1, expected, rtol=2e-3)
    np.testing.assert_array_equal(weights[:, :2], 1)


@given(
    seed=st.integers(0, 1000),
    share=st.sampled_from([0.01, 0.1, 0.5]),
    w0=st.sampled_from([0.0, 10.0]),
    sigma=st.sampled_from([0.7, 5.0]),
)
def test_all_distances(seed, share, w0, sigma):
    rng = np.random.default_rng(seed)
    mask = (rng.random((9, 40)) < share).astype("uint8")
    mask[rng.random(mask.shape) < 0.05] = 255
    np.testing.assert_allclose(
        border_weights(mask, w0, sigma),
        by_all_distances(mask, w0, sigma),
        rtol=1e-6,
    )


def test_fewer_than_two_cells():
    """papers.md 7.6: the second term is zero then."""
    mask = np.zeros((5, 6), "uint8")
    np.testing.assert_array_equal(border_weights(mask), 1)
    mask[1:4, 1:3] = 1
    np.testing.assert_array_equal(border_weights(mask), 1)


def test_cells_touch_by_sides():
    corners = np.array([[1, 0], [0, 1]])
    assert border_weights(corners)[0, 1] > 9
    sides = np.array([[1, 0], [1, 1]])
    np.testing.assert_array_equal(border_weights(sides), 1)


def test_classes_and_void():
    mask = np.array([[0, 2, 255, 1]])
    weights = border_weights(mask, class_weights=[0.5, 3.0, 2.0])
    np.testing.assert_array_equal(weights, [[0.5, 2.0, 0.0, 3.0]])
    weights = border_weights(mask[..., None], class_weights={1: 3.0}, cell=2)
    np.testing.assert_array_equal(weights, [[1.0, 1.0, 0.0, 3.0]])


def test_gaps_weigh_most_in_a_picture_of_cells():
    _, masks = synthetic.membranes(1, size=64)
    mask = np.asarray(masks[0])
    # Membranes are class 1, the cells between them class 0.
    weights = border_weights(mask, cell=0)
    assert weights[mask == 1].mean() > 3 * weights[mask == 0].mean()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 3)),), r"Received: shape \(2, 3\), dtype float64"),
        ((np.zeros(3, int),), r"Received: shape \(3,\)"),
        ((np.zeros((2, 3), int), -1), "Received: w0=-1"),
        ((np.zeros((2, 3), int), 1, 0), "sigma=0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        border_weights(*arguments)


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scipy.ndimage", None)
    with pytest.raises(ImportError, match=r"keras-seg\[classical\]"):
        border_weights(np.zeros((2, 3), int))
