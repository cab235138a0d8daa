import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import from_origin
from skimage.measure import label

from keras_seg.inference import find_objects
from keras_seg.inference import measure_objects
from tests.data.test_outlines import masks

pytestmark = pytest.mark.once

Y, X = np.mgrid[:100, :140]


def disc(x, y, radius):
    return np.hypot(X - x, Y - y) < radius


@pytest.mark.parametrize("radius", [8, 15, 25])
@pytest.mark.parametrize("width", [0.0, 0.5, 0.9])
def test_discs_that_touch(radius, width):
    # Circles at a distance of 2 r sqrt(1 - w^2) cross in a neck of w * 2 r.
    apart = 2 * radius * np.sqrt(1 - width**2)
    both = disc(35, 50, radius) | disc(35 + apart, 50, radius)
    found = find_objects(both)
    assert found.max() == (2 if width < 0.85 else 1)
    if width < 0.85:
        left, right = found[50, 35], found[50, int(35 + apart)]
        assert left != right
        border = np.abs(X - 35 - apart / 2) < 2
        assert (found[both & ~border & (X < 35 + apart / 2)] == left).all()
    assert find_objects(both, neck=0).max() == (2 if width == 0 else 1)


def test_what_has_no_neck_is_one():
    bar = (abs(Y - 50) < 10) & (X > 5) & (X < 120)
    wedge = (abs(Y - 50) < 3 + X / 4) & (X < 120)
    ragged = disc(60, 50, 30)
    noise = np.random.default_rng(0).random(ragged.shape) < 0.5
    ragged &= disc(60, 50, 29) | noise
    for region in (bar, wedge, ragged, np.ones((20, 30), bool)):
        assert find_objects(region).max() == label(region, connectivity=1).max()


@given(masks(), st.integers(1, 9), st.sampled_from([0, 0.5, 1.0]))
def test_numbers(mask, min_area, neck):
    region = mask == 1
    found = find_objects(region, min_area=min_area, neck=neck)
    areas = np.bincount(found.ravel())[1:]
    assert (areas >= min_area).all() and (found[~region] == 0).all()
    parts = label(find_objects(region, neck=neck), connectivity=1)
    kept = np.bincount(parts.ravel())[1:] >= min_area
    assert len(areas) == kept.sum()  # Each is in one piece.
    if min_area == 1:
        assert ((found > 0) == region).all()
    rows = measure_objects(found, mask)
    assert [row["area_px"] for row in rows] == areas.tolist()
    assert all(row["confidence"] == 1 for row in rows)


def test_measures():
    objects = np.zeros((40, 60), "int32")
    objects[10:20, 30:50] = 1
    place = CRS.from_epsg(32633), from_origin(5e5, 5.4e6, 0.5, 0.5)
    confidence = np.where(np.arange(60) < 40, 0.5, 1.0) * np.ones((40, 1))
    (row,) = measure_objects(objects, confidence, place)
    # On the central meridian of UTM a meter is 0.9996 on the map.
    assert row.pop("area_m2") == pytest.approx(50 / 0.9996**2, rel=1e-5)
    assert row == {
        **{"object": 1, "area_px": 200, "x": 40, "y": 15, "confidence": 0.75},
        **{"left": 30, "top": 10, "right": 50, "bottom": 20},
    }


def test_arguments():
    with pytest.raises(ValueError, match="neck=2"):
        find_objects(disc(5, 5, 2), neck=2)
    with pytest.raises(ValueError, match="min_area=0"):
        find_objects(disc(5, 5, 2), min_area=0)
    with pytest.raises(ValueError, match="`region` must be an array"):
        find_objects(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="shape of `objects`"):
        measure_objects(np.zeros((2, 2), int), np.zeros((2, 3)))
