import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import oval
from keras_seg.data.readers.polygons import paint
from keras_seg.data.readers.polygons import runs
from keras_seg.data.readers.polygons import whole

pytestmark = pytest.mark.once

SIZE = (9, 12)
coordinates = st.floats(-5, 17).map(lambda v: round(v, 2))
polygon = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9)


def drawn(region, size=SIZE):
    return paint([(region, 1)], size, 0).astype(bool)


def winding_oracle(points, size):
    """Whether each center is inside: its ray to the left, edge by edge."""
    inside = np.zeros(size, bool)
    for row in range(size[0]):
        for column in range(size[1]):
            x, y, odd = column + 0.5, row + 0.5, False
            ends = [*points[1:], points[0]]
            for (x0, y0), (x1, y1) in zip(points, ends, strict=True):
                if (y0 <= y) != (y1 <= y):
                    cut = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
                    odd ^= cut <= x
            inside[row, column] = odd
    return inside


@given(polygon)
def test_a_pixel_is_inside_if_its_center_is(points):
    np.testing.assert_array_equal(
        drawn(fill([points], SIZE)), winding_oracle(points, SIZE)
    )


def test_a_rectangle_of_whole_numbers_is_its_pixels():
    square = [(2, 1), (5, 1), (5, 3), (2, 3)]
    expected = np.zeros(SIZE, bool)
    expected[1:3, 2:5] = True
    np.testing.assert_array_equal(drawn(fill([square], SIZE)), expected)
    turned = drawn(fill([square[::-1]], SIZE))
    np.testing.assert_array_equal(turned, expected)


@pytest.mark.parametrize("way", [1, -1])
def test_centers_on_an_outline(way):
    """Those on left and upper edges are inside, on right and lower not."""
    square = [(1.5, 0.5), (4.5, 0.5), (4.5, 2.5), (1.5, 2.5)]
    expected = np.zeros(SIZE, bool)
    expected[0:2, 1:4] = True
    np.testing.assert_array_equal(drawn(fill([square[::way]], SIZE)), expected)
    diamond = [(3.5, 0.5), (6.5, 3.5), (3.5, 6.5), (0.5, 3.5)]
    expected = np.zeros(SIZE, bool)
    for row in range(1, 6):
        reach = 3 - abs(row - 3)
        expected[row, 3 - reach : 3 + reach] = True
    np.testing.assert_array_equal(drawn(fill([diamond[::way]], SIZE)), expected)


@given(st.lists(coordinates, min_size=2, max_size=2), coordinates, coordinates)
def test_shared_edges_leave_no_gap(inner, left, right):
    # Four triangles around a point make up the rectangle.
    (x, y), corners = inner, [(-5, -5), (20, -5), (20, 20), (-5, 20)]
    cut = [(left, -5), (right, 20)]
    ring = [corners[0], cut[0], corners[1], corners[2], cut[1], corners[3]]
    ends = [*ring[1:], ring[0]]
    x, y = max(-4, min(19, x)), max(-4, min(19, y))
    count = np.zeros(SIZE, int)
    for start, end in zip(ring, ends, strict=True):
        count += drawn(fill([[(x, y), start, end]], SIZE))
    assert (count == 1).all()


def test_even_odd_and_union():
    outer = [(0, 0), (8, 0), (8, 8), (0, 8)]
    inner = [(2, 2), (6, 2), (6, 6), (2, 6)]
    # One outline that goes round both has a hole; two outlines do not.
    with_hole = [*outer, outer[0], *inner, inner[0]]
    assert fill([with_hole], SIZE).area() == 64 - 16
    assert fill([outer, inner], SIZE).area() == 64


def test_outside_is_cut_off():
    far = [(-1e6, -1e6), (1e6, -1e6), (1e6, 1e6), (-1e6, 1e6)]
    assert fill([far], SIZE).area() == 9 * 12
    assert fill([[(20, 20), (30, 20), (30, 30)]], SIZE).area() == 0
    assert fill([[(-9, 2), (-2, 2), (-2, 5)]], SIZE).area() == 0


def test_in_parts(monkeypatch):
    points = np.random.default_rng(0).uniform(0, 12, (40, 2))
    points = np.concatenate([points, points[:9]])  # edges that come twice
    expected = drawn(fill([points], SIZE))
    monkeypatch.setattr("keras_seg.data.readers.polygons._CHUNK", 10)
    np.testing.assert_array_equal(drawn(fill([points], SIZE)), expected)


@given(polygon)
def test_pycocotools_differs_on_the_outline_only(points):
    # pycocotools rounds corners to fifths of a pixel and draws between them
    # in steps, so it may differ where an outline passes within half a pixel.
    coco = pytest.importorskip("pycocotools.mask")
    flat = [[v for point in points for v in point]]
    theirs = coco.decode(coco.frPyObjects(flat, *SIZE)[0]).astype(bool)
    differ = drawn(fill([points], SIZE)) != theirs
    rows, columns = np.nonzero(differ)
    centers = np.stack([columns, rows], axis=-1) + 0.5
    start = np.array(points)
    along = np.roll(start, -1, axis=0) - start
    offset = centers[:, None] - start
    length = np.maximum((along**2).sum(-1), 1e-12)
    t = np.clip((offset * along).sum(-1) / length, 0, 1)
    distance = np.linalg.norm(offset - t[..., None] * along, axis=-1)
    assert (distance.min(axis=1, initial=9) <= 0.5).all()


def test_disc():
    # Centers nearer than 1.5 to (2, 2): (1.5, 1.5) and its like at .71, and
    # (0.5, 1.5), (1.5, 0.5) and their like at 1.58 are not.
    assert oval((2, 2), (1.5, 1.5), SIZE).area() == 4
    assert oval((2, 2), (1.6, 1.6), SIZE).area() == 12
    assert oval((50, 50), (2, 2), SIZE).area() == 0
    # Nearer: the four centers at a distance of 1 are outside.
    assert oval((1.5, 1.5), (1, 1), SIZE).area() == 1


@given(coordinates, coordinates, st.floats(0, 20))
def test_discs(x, y, radius):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    np.testing.assert_array_equal(
        drawn(oval((x, y), (radius, radius), SIZE)),
        (columns - x) ** 2 + (rows - y) ** 2 < radius**2,
    )


@given(hnp.arrays(bool, (4, 5)))
def test_runs(mask):
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False)) if len(flat) else []
    counts = np.diff([0, *edges, flat.size])
    np.testing.assert_array_equal(drawn(runs(counts, (4, 5)), (4, 5)), mask)
    np.testing.assert_array_equal(drawn(whole(mask), (4, 5)), mask)


def test_order():
    large = whole(np.ones((2, 3), bool))
    small = whole(np.array([[0, 1, 0], [0, 0, 0]], bool))
    other = whole(np.array([[0, 0, 0], [0, 0, 1]], bool))
    regions = [(small, 1), (large, 2), (other, 3), (other, 4)]
    assert paint(regions, (2, 3), 9).tolist() == [[2, 1, 2], [2, 2, 4]]
    assert paint(regions, (2, 3), 9, by_area=False).tolist() == [
        [2, 2, 2],
        [2, 2, 4],
    ]
    assert (paint([], (2, 3), 255) == 255).all()
    under = np.array([[5, 5, 5], [5, 5, 6]])
    expected = [[5, 1, 5], [5, 5, 6]]
    assert paint([(small, 1)], (2, 3), under).tolist() == expected
