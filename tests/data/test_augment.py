import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_seg.data import augment

pytestmark = pytest.mark.once

sides = st.integers(1, 12)


@st.composite
def pairs(draw):
    """A mask of any ids and integer dtype, and an image that repeats it."""
    dtype = draw(st.sampled_from(["uint8", "uint16", "int32", "int64"]))
    mask = draw(
        hnp.arrays(dtype, st.tuples(sides, sides), elements=st.integers(0, 99))
    )
    image = np.repeat(mask[..., None], 3, axis=-1).astype("uint8")
    return image, mask


def check(before, after, void=True):
    image, mask = after
    assert mask.dtype == before[1].dtype
    assert image.dtype == before[0].dtype
    assert image.shape == (*mask.shape, 3)
    allowed = set(before[1].ravel().tolist()) | ({255} if void else set())
    assert set(mask.ravel().tolist()) <= allowed


def aligned(image, mask):
    """Void lies on the mean colour, ids on the pixels they came with."""
    expected = np.repeat(mask[..., None], 3, axis=-1)
    expected[mask == 255] = augment.MEAN_COLOR
    np.testing.assert_array_equal(image, expected)


@given(pairs(), sides, sides)
def test_pad_to(pair, height, width):
    image, mask = augment.pad_to(*pair, (height, width))
    check(pair, (image, mask))
    aligned(image, mask)
    rows, columns = pair[1].shape
    assert mask.shape == (max(rows, height), max(columns, width))
    np.testing.assert_array_equal(mask[:rows, :columns], pair[1])
    assert (mask[rows:] == 255).all() and (mask[:, columns:] == 255).all()


@given(pairs(), sides, sides, st.integers(0, 99))
def test_random_crop(pair, height, width, seed):
    rng = np.random.default_rng(seed)
    image, mask = augment.random_crop(*pair, (height, width), rng)
    check(pair, (image, mask))
    aligned(image, mask)
    assert mask.shape == (height, width)
    # No pixel is lost to padding that did not have to be.
    rows, columns = np.minimum(pair[1].shape, (height, width))
    assert (mask != 255).sum() == rows * columns


def test_random_crop_reaches_every_place():
    mask = np.arange(16).reshape(4, 4)
    image = np.repeat(mask[..., None], 3, axis=-1).astype("uint8")
    rng = np.random.default_rng(0)
    corners = {
        int(augment.random_crop(image, mask, 2, rng)[1][0, 0])
        for _ in range(300)
    }
    assert corners == {0, 1, 2, 4, 5, 6, 8, 9, 10}


def test_fill():
    image, mask = np.zeros((1, 1, 3), "float32"), np.zeros((1, 1), "uint8")
    image, mask = augment.pad_to(image, mask, (1, 2), color=(0.5, 1, 2), void=9)
    assert image.tolist() == [[[0, 0, 0], [0.5, 1, 2]]]
    assert mask.tolist() == [[0, 9]]


@given(pairs(), st.integers(0, 99))
def test_random_flip(pair, seed):
    image, mask = augment.random_flip(*pair, np.random.default_rng(seed))
    check(pair, (image, mask), void=False)
    aligned(image, mask)
    assert (mask == pair[1]).all() or (mask == pair[1][:, ::-1]).all()


def test_random_flip_flips_half():
    mask = np.array([[0, 1]])
    image = np.zeros((1, 2, 3), "uint8")
    rng = np.random.default_rng(0)
    flipped = [
        augment.random_flip(image, mask, rng)[1][0, 0] for _ in range(99)
    ]
    assert 30 < sum(flipped) < 70


@given(pairs(), st.floats(0.3, 3), st.integers(0, 99))
def test_random_scale(pair, high, seed):
    rng = np.random.default_rng(seed)
    image, mask = augment.random_scale(*pair, (0.3, max(0.3, high)), rng)
    check(pair, (image, mask), void=False)
    for new, old in zip(mask.shape, pair[1].shape, strict=True):
        assert max(1, round(0.3 * old)) <= new <= max(1, round(high * old) + 1)


@given(pairs(), st.integers(1, 4))
def test_whole_factors_repeat_the_mask(pair, factor):
    mask = pair[1]
    size = (mask.shape[0] * factor, mask.shape[1] * factor)
    np.testing.assert_array_equal(
        augment.resize_mask(mask, size),
        mask.repeat(factor, axis=0).repeat(factor, axis=1),
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


def test_resize_image_is_bilinear():
    # Half-pixel centres: 1/4, 3/4 of the way between 0 and 100.
    image = np.zeros((1, 2, 3), "float32")
    image[:, 1] = 100
    for dtype, expected in {
        "float32": [0, 25, 75, 100],
        "uint8": [0, 25, 75, 100],
        "uint16": [0, 25, 75, 100],
    }.items():
        resized = augment.resize_image(image.astype(dtype), (1, 4))
        assert resized.dtype == dtype
        assert resized[0, :, 1].tolist() == expected
    four = np.concatenate([image, image[..., :1]], axis=-1).astype("uint8")
    assert augment.resize_image(four, (1, 4))[0, :, 3].tolist() == [
        0,
        25,
        75,
        100,
    ]


def test_inputs_are_left_alone():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (6, 5, 3), "uint8")
    mask = rng.integers(0, 3, (6, 5), "uint8")
    copies = image.copy(), mask.copy()
    augment.random_crop(image, mask, 8, rng)
    augment.random_crop(image, mask, 3, rng)
    augment.random_flip(image, mask, rng)
    augment.random_scale(image, mask, (0.5, 2), rng)
    np.testing.assert_array_equal(image, copies[0])
    np.testing.assert_array_equal(mask, copies[1])
