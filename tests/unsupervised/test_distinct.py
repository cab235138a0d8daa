"""Distinct rows against NumPy's unique."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.unsupervised.distinct import count_rows
from keras_seg.unsupervised.distinct import distinct_of_tile
from tests.unsupervised.photographs import features

pytestmark = pytest.mark.once


@given(
    seed=st.integers(0, 10_000),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    channels=st.sampled_from([1, 3]),
    position=st.booleans(),
)
def test_counts(seed, dtype, channels, position):
    """Few values, the least and the largest among them, so that some agree."""
    rng = np.random.default_rng(seed)
    values = np.array([0, 1, 2, 254, 255], dtype)
    if dtype == "uint16":
        values = np.array([0, 255, 256, 40_000, 65_535], dtype)
    sizes = [(2, 9, channels), (6, 5, channels)]
    images = [rng.choice(values, size) for size in sizes]
    rows, counts = count_rows(images, position)
    pixels = [features(image, position=float(position)) for image in images]
    expected = np.unique(np.concatenate(pixels), axis=0, return_counts=True)
    np.testing.assert_array_equal(rows, expected[0])
    np.testing.assert_array_equal(counts, expected[1])
    assert rows.dtype == np.float64 and counts.dtype == np.int64


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pixels_of_distinct_colors(dtype):
    rng = np.random.default_rng(0)
    image = rng.integers(0, np.iinfo(dtype).max, (4, 6, 3), dtype)
    image[2] = image[1]
    tile = slice(1, 4), slice(2, 6)
    rows, inverse = distinct_of_tile(image, tile)
    np.testing.assert_array_equal(rows[inverse], image[tile].reshape(-1, 3))
    assert len(rows) == 8
