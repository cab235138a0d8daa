import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from keras_seg.data import augment
from tests.data.augment.pairs import coordinates
from tests.data.augment.pairs import pairs

pytestmark = pytest.mark.once

SMOOTH = np.kron(
    np.random.default_rng(0).integers(0, 256, (6, 5, 3), "uint8"),
    np.ones((7, 7, 1), "uint8"),
)
MASK = np.zeros(SMOOTH.shape[:2], "uint8")


@given(pairs(), st.floats(0.01, 9), st.integers(0, 99))
def test_blur_is_scipys(pair, sigma, seed):
    image, mask = pair
    blur = augment.GaussianBlur(sigma, probability=1.0)
    got, _ = blur(image, mask, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    rng.random()  # whether the pair is changed
    expected = ndimage.gaussian_filter(
        image.astype("float64"), rng.uniform(0, sigma), axes=(0, 1),
        mode="nearest",
    )  # fmt: skip
    # Rounding to bytes is half a level, that of float32 sums far less.
    limit = 0.501 if image.dtype == np.uint8 else 1e-3
    np.testing.assert_allclose(got, expected, atol=limit, rtol=0)


def test_noise_has_its_deviation():
    image, mask = np.full((300, 300, 4), 128, "float32"), MASK
    found = []
    for seed in range(40):
        noise = augment.GaussianNoise(20, probability=1.0)
        got, _ = noise(image, mask, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        rng.random()
        sigma = rng.uniform(0, 20)
        # Four standard errors of 360,000 draws: s / sqrt(2 n), s / sqrt(n).
        assert abs(got.std() - sigma) < 4 * sigma / np.sqrt(720_000)
        assert abs(got.mean() - 128) < 4 * sigma / np.sqrt(360_000)
        # Independent for channels.
        both = np.corrcoef(got[..., 0].ravel(), got[..., 1].ravel())
        assert abs(both[0, 1]) < 4 / 300
        found.append(got.std())
    assert min(found) < 2 and max(found) > 18


def test_noise_of_bytes_is_rounded_and_clipped():
    image = np.array([[[0, 128, 255]]] * 99, "uint8")
    noise = augment.GaussianNoise(60, probability=1.0)
    floats, _ = noise(image.astype("float32"), MASK, np.random.default_rng(3))
    got, _ = noise(image, MASK, np.random.default_rng(3))
    np.testing.assert_array_equal(got, floats.round())
    assert 0 in got[:, 0, 0] and 255 in got[:, 0, 2]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_jpeg_is_pillows(channels, dtype):
    image = SMOOTH[..., :channels]
    for seed in range(5):
        jpeg = augment.JPEGCompression(20, probability=1.0)
        got, _ = jpeg(image.astype(dtype), MASK, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        rng.random()
        file = io.BytesIO()
        Image.fromarray(image.squeeze()).save(
            file, "JPEG", quality=int(rng.integers(20, 96))
        )
        expected = np.asarray(Image.open(file)).reshape(image.shape)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, expected)
        assert not np.array_equal(got, image)


def test_lower_quality_is_farther_from_the_image():
    def error(low, seed):
        jpeg = augment.JPEGCompression(low, probability=1.0)
        got, _ = jpeg(SMOOTH, MASK, np.random.default_rng(seed))
        return abs(got.astype(int) - SMOOTH).mean()

    best, worst = (
        np.mean([error(low, seed) for seed in range(20)]) for low in (95, 1)
    )
    assert 0 < best < worst


def test_jpeg_of_many_bands_is_refused_whether_drawn_or_not():
    jpeg = augment.JPEGCompression(probability=0.0)
    with pytest.raises(ValueError) as caught:
        jpeg(np.zeros((4, 4, 6), "uint8"), MASK, np.random.default_rng(0))
    assert str(caught.value) == (
        "`JPEGCompression` needs images of 1 or 3 channels, as JPEG files "
        "have. Received: 6 channels"
    )


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 4),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_holes(height, width, holes, size, seed):
    image, mask = coordinates(height, width)
    drop = augment.CoarseDropout(
        holes, size, color=-5, ignore_class=3, probability=1.0
    )
    got, ids = drop(image, mask, np.random.default_rng(seed))
    hole = ids == 3
    assert (got[hole] == -5).all()
    np.testing.assert_array_equal(got[~hole], image[~hole])
    np.testing.assert_array_equal(ids[~hole], mask[~hole])
    regions, count = ndimage.label(hole)
    assert count <= holes
    if holes == 1 and count:
        # One rectangle, its sides between half and all of the share.
        rows, columns = ndimage.find_objects(regions)[0]
        assert hole[rows, columns].all()
        for part, side in ((rows, height), (columns, width)):
            length = part.stop - part.start
            assert round(side * size / 2) <= length <= round(side * size)


def test_holes_that_keep_their_ids():
    image, mask = coordinates(20, 30)
    drop = augment.CoarseDropout(void=False, probability=1.0)
    got, ids = drop(image, mask, np.random.default_rng(0))
    np.testing.assert_array_equal(ids, mask)
    assert (got == 115).all(axis=-1).any()


def test_holes_reach_every_pixel_and_their_number_is_drawn():
    image, mask = coordinates(6, 9)
    drop = augment.CoarseDropout(3, 0.3, probability=1.0)
    rng, often, counts = np.random.default_rng(0), np.zeros((6, 9)), set()
    for _ in range(500):
        _, ids = drop(image, mask, rng)
        often += ids == 255
        counts.add(ndimage.label(ids == 255)[1])
    assert often.min() > 0 and counts == {1, 2, 3}


@pytest.mark.parametrize(
    "transform",
    [
        augment.GaussianBlur(probability=0.3),
        augment.GaussianNoise(probability=0.3),
        augment.JPEGCompression(probability=0.3),
        augment.CoarseDropout(probability=0.3),
        augment.RandomPerspective(0.5, probability=0.3),
    ],
)
def test_probability(transform):
    rng = np.random.default_rng(0)
    changed = [
        not np.array_equal(transform(SMOOTH, MASK, rng)[0], SMOOTH)
        for _ in range(300)
    ]
    # Four standard errors of 300 draws are .106.
    assert abs(np.mean(changed) - 0.3) < 0.106
