import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_seg.data import augment
from tests.data.augment.pairs import pairs

pytestmark = pytest.mark.once


@given(pairs(), st.floats(0.3, 3), st.integers(0, 99))
def test_random_scale(pair, high, seed):
    transform = augment.RandomScale(0.3, max(0.3, high))
    _, mask = transform(*pair, np.random.default_rng(seed))
    for new, old in zip(mask.shape, pair[1].shape, strict=True):
        assert max(1, round(0.3 * old)) <= new <= max(1, round(high * old) + 1)


def test_factors_are_drawn_alike():
    # The five factors of DeepLab v2, papers.md 13.4.
    transform = augment.RandomScale(factors=[0.5, 0.75, 1, 1.25, 1.5])
    image, mask = np.zeros((8, 4, 1), "uint8"), np.zeros((8, 4), "uint8")
    rng = np.random.default_rng(0)
    drawn = [transform(image, mask, rng)[1].shape for _ in range(500)]
    sizes, counts = np.unique(drawn, axis=0, return_counts=True)
    assert sizes.tolist() == [[4, 2], [6, 3], [8, 4], [10, 5], [12, 6]]
    assert counts.min() > 70


@given(pairs(), st.integers(1, 4))
def test_whole_factors_repeat_the_mask(pair, factor):
    mask = pair[1]
    size = (mask.shape[0] * factor, mask.shape[1] * factor)
    np.testing.assert_array_equal(
        augment.resize_mask(mask, size),
        mask.repeat(factor, axis=0).repeat(factor, axis=1),
    )


@given(st.integers(1, 400), st.integers(1, 400))
def test_nearest_is_the_pixel_under_the_center(old, new):
    mask = np.arange(old)[None]
    centers = (np.arange(new) + 0.5) * (old / new)
    expected = np.floor(centers + 1e-9)  # A boundary belongs to what follows.
    np.testing.assert_array_equal(
        augment.resize_mask(mask, (1, new))[0], expected
    )


@pytest.mark.parametrize("size", [(16, 16), (8, 8), (50, 50), (31, 77)])
def test_image_and_mask_stay_aligned(size):
    # Half white, half black: the edge must be at the same place in both.
    mask = np.zeros((32, 32), "uint8")
    mask[:, 16:] = 1
    image = np.repeat(mask[..., None] * 255, 3, axis=-1)
    resized = augment.resize_image(image, size)[..., 0] / 255
    ids = augment.resize_mask(mask, size)
    center = resized.mean(axis=0).sum(), ids.mean(axis=0).sum()
    assert abs(center[0] - center[1]) <= 0.51
    assert abs(resized - ids).max() <= 0.51


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_resize_image_is_bilinear(dtype, channels):
    # Half-pixel centers: 1/4, 3/4 of the way between 0 and 100.
    image = np.zeros((1, 2, channels), dtype)
    image[:, 1] = 100
    resized = augment.resize_image(image, (1, 4))
    assert resized.dtype == dtype
    for channel in range(channels):
        assert resized[0, :, channel].tolist() == [0, 25, 75, 100]


def tents(old, new):
    """Weights of bilinear resizing to more pixels, an array (new, old)."""
    places = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
    return np.maximum(0, 1 - abs(places[:, None] - np.arange(old)))


@settings(max_examples=60)
@given(pairs(), st.integers(0, 30), st.integers(0, 30))
def test_enlarging_against_the_definition(pair, more_rows, more_columns):
    image, mask = pair
    size = mask.shape[0] + more_rows, mask.shape[1] + more_columns
    expected = np.einsum(
        "ph,qw,hwc->pqc",
        tents(mask.shape[0], size[0]),
        tents(mask.shape[1], size[1]),
        image,
    )
    np.testing.assert_allclose(
        augment.resize_image(image, size),
        expected,
        atol=1.5 if image.dtype == np.uint8 else 1e-3,
        rtol=0,
    )


def test_extremes_do_not_wrap():
    image = np.zeros((6, 2, 3), "uint8")
    image[::2] = 255
    for rows in range(7, 60):
        column = augment.resize_image(image, (rows, 2))[:, 0, 0]
        weights = tents(6, rows) @ image[:, 0, 0]
        np.testing.assert_allclose(column, weights, atol=1)


@settings(max_examples=60)
@given(pairs(), st.data())
def test_a_window_is_cut_from_the_whole(pair, data):
    image, mask = pair
    size = data.draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    top, left = (data.draw(st.integers(0, side - 1)) for side in size)
    height = data.draw(st.integers(1, size[0] - top))
    width = data.draw(st.integers(1, size[1] - left))
    part = np.s_[top : top + height, left : left + width]
    window = (top, left, height, width)
    np.testing.assert_array_equal(
        augment.resize_mask(mask, size, window=window),
        augment.resize_mask(mask, size)[part],
    )
    # Pillow keeps the corners of the window in 32 bits, and rounds between
    # rows and columns, whichever come first.
    limit = 1 if image.dtype == np.uint8 else 1e-2
    np.testing.assert_allclose(
        augment.resize_image(image, size, window=window).astype("float32"),
        augment.resize_image(image, size)[part],
        atol=limit,
        rtol=0,
    )


@pytest.mark.parametrize("size", [8, (20, 90), 200])
def test_scale_and_crop_together_are_one_after_the_other(size):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (50, 61, 3), "uint8")
    mask = rng.integers(0, 9, (50, 61), "uint8")
    chain = [
        augment.RandomScale(),
        augment.RandomCrop(size, color=(1, 2, 3), ignore_class=77),
    ]
    for seed in range(20):
        got = augment.apply(chain, image, mask, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        scaled, ids = chain[1](*chain[0](image, mask, rng), rng)
        np.testing.assert_array_equal(got[1], ids)
        # Pillow may resize rows and columns in another order.
        assert abs(got[0].astype(int) - scaled).max() <= 1
