import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import transform as skimage_transform

from keras_seg.data import augment
from keras_seg.data.augment.perspective import homography
from tests.data.augment.pairs import coordinates

pytestmark = pytest.mark.once

SQUARE = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])


def moved(scale, seed):
    rng = np.random.default_rng(seed)
    rng.random()  # whether the pair is changed
    return SQUARE * (1 - rng.uniform(0, scale, (4, 2)))


@given(st.floats(0, 0.5), st.integers(0, 99))
def test_homography_is_scikit_images(scale, seed):
    points = moved(scale, seed)
    expected = skimage_transform.estimate_transform(
        "projective", points, SQUARE
    ).params
    np.testing.assert_allclose(
        homography(points, SQUARE), expected / expected[2, 2], atol=1e-9
    )


def test_no_distortion_is_the_identity():
    image, mask = coordinates(5, 8)
    same = augment.RandomPerspective(0, probability=1.0)
    got, ids = same(image, mask, np.random.default_rng(0))
    np.testing.assert_allclose(got, image, atol=1e-5)
    np.testing.assert_array_equal(ids, mask)


@pytest.mark.parametrize("seed", range(6))
def test_image_and_mask_are_pillows(seed):
    """Pillow's PERSPECTIVE, in pixels, of the same four corners."""
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.integers(1, 9, (5, 6)), np.ones((8, 8))).astype("uint8")
    image = np.asarray(
        Image.fromarray(rng.integers(0, 256, (5, 6, 3), "uint8")).resize(
            (48, 40), Image.Resampling.BICUBIC
        )
    )
    warped = augment.RandomPerspective(0.5, color=0, probability=1.0)
    got, ids = warped(image, mask, np.random.default_rng(seed))
    sides = np.array([40, 48])
    h = homography((moved(0.5, seed) + 1) * sides / 2, (SQUARE + 1) * sides / 2)
    # From (row, column) to Pillow's (x, y).
    swap = [1, 0, 2]
    data = (h[swap][:, swap] / h[2, 2]).ravel()[:8].tolist()

    def by_pillow(array, resample):
        return np.asarray(
            Image.fromarray(array).transform(
                (48, 40), Image.Transform.PERSPECTIVE, data, resample
            )
        )

    expected = by_pillow(mask, Image.Resampling.NEAREST)
    expected = np.where(expected == 0, 255, expected)
    # A place on the border between two pixels may go either way.
    assert (ids != expected).mean() < 0.005
    smooth = by_pillow(image, Image.Resampling.BILINEAR)
    inside = (ids != 255) & (expected != 255)
    # Pillow fills the outer half of the pixels at the edge.
    inside &= smooth.any(axis=-1)
    difference = abs(got.astype(int) - smooth)[inside]
    assert np.quantile(difference, 0.95) <= 1


@given(st.integers(0, 99))
def test_corners_and_area(seed):
    """What is not void is the quadrilateral of the moved corners."""
    image, mask = coordinates(80, 100)
    warped = augment.RandomPerspective(0.5, probability=1.0)
    _, ids = warped(image, mask, np.random.default_rng(seed))
    y, x = ((moved(0.5, seed) + 1) / 2).T
    # The shoelace formula.
    area = abs(y @ np.roll(x, 1) - x @ np.roll(y, 1)) / 2
    # A pixel more or less along a border of 360 of 8,000 pixels.
    np.testing.assert_allclose((ids != 255).mean(), area, atol=0.01)
