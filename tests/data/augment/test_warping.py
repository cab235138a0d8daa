import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.data.augment.warping import warp
from tests.data.augment.pairs import coordinates

pytestmark = pytest.mark.once


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_against_the_definition(height, width, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 2), "uint8")
    mask = rng.integers(0, 9, (height, width)).astype("int16")
    rows = rng.uniform(-2, height + 1, (3, 4))
    columns = rng.uniform(-2, width + 1, (3, 4))
    warped, ids = warp(image, mask, rows, columns, color=(8, 9), void=7)
    for place in np.ndindex(3, 4):
        y, x = rows[place], columns[place]
        inside = -0.5 <= y < height - 0.5 and -0.5 <= x < width - 0.5
        if not inside:
            assert ids[place] == 7 and warped[place].tolist() == [8, 9]
            continue
        assert ids[place] == mask[round(y), round(x)]
        # A tent around every pixel, over the place moved into the image.
        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
        tents = np.maximum(0, 1 - abs(np.arange(height) - y))[:, None]
        tents = tents * np.maximum(0, 1 - abs(np.arange(width) - x))
        expected = (tents[..., None] * image).sum(axis=(0, 1))
        assert (abs(warped[place] - expected) <= 0.5 + 1e-3).all()


def test_whole_places_are_exact():
    image, mask = coordinates(7, 5)
    rows, columns = np.mgrid[6:-1:-1, 0:5].astype("float64")
    warped, ids = warp(image, mask, rows, columns)
    np.testing.assert_array_equal(warped, image[::-1])
    np.testing.assert_array_equal(ids, mask[::-1])
