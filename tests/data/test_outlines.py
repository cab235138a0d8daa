import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.data import outlines
from keras_seg.data.outlines import one_ring
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import paint

pytestmark = pytest.mark.once


@st.composite
def masks(draw):
    """Masks from noise to large regions, with ids that meet at corners."""
    height, width, zoom = (draw(st.integers(1, n)) for n in (20, 20, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.random((draw(st.integers(2, 4)), height, width))
    for _ in range(draw(st.integers(0, 5))):  # Smooths.
        around = np.pad(scores, ((0, 0), (1, 1), (1, 1)), "edge")
        scores = (around[:, 2:, 1:-1] + around[:, 1:-1, 2:]) / 2
    ids = scores.argmax(axis=0).astype("uint8")
    return np.kron(ids, np.ones((zoom, zoom), "uint8"))


def area(ring):
    x, y = ring.T
    return (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2


@given(masks(), st.sampled_from([0, 0.3, 0.5]))
def test_readers_get_the_mask_back(mask, tolerance):
    # Up to half a pixel no center changes sides, so not 0.995 but all.
    found = outlines(mask, tolerance)
    size = mask.shape
    regions = [(fill([one_ring(one.rings)], size), one.id) for one in found]
    np.testing.assert_array_equal(paint(regions, size, 99), mask)
    assert sum(region.area() for region, _ in regions) == mask.size


@given(masks(), st.sampled_from([0, 0.5, 0.8]))
def test_neighbors_share_their_borders(mask, tolerance):
    # Holes turn the other way. What is lost here is won there.
    rings = [ring for one in outlines(mask, tolerance) for ring in one.rings]
    assert abs(sum(map(area, rings))) == mask.size
    for one in outlines(mask, tolerance):
        signs = [np.sign(area(ring)) for ring in one.rings]
        assert set(signs[1:]) <= {-signs[0]}


def test_lines_are_as_simple_as_they_were_drawn():
    y, x = np.mgrid[:64, :64]
    (square,) = outlines((x > 9) & (y > 19), leave_out=[0])
    assert len(square.rings[0]) == 4
    # A line through the middles of steps, two corners, and one more step.
    (triangle,) = outlines(x + y < 60, leave_out=[0])
    assert len(triangle.rings[0]) <= 6
    assert abs(area(triangle.rings[0])) == pytest.approx(60 * 61 / 2, abs=1)


def test_what_would_vanish_stays_as_it_is():
    mask = np.zeros((9, 9), "uint8")
    mask[4, 4] = 1
    found = {one.id: one.rings for one in outlines(mask, 5.0)}
    assert abs(area(found[1][0])) == 1
    assert len(found[0]) == 2


def test_arguments():
    with pytest.raises(ValueError, match=r"shape \(2, 2, 1\), uint8"):
        outlines(np.zeros((2, 2, 1), "uint8"))
    with pytest.raises(ValueError, match="float64"):
        outlines(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="tolerance=-1"):
        outlines(np.zeros((2, 2), "uint8"), -1)
