import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.data import augment
from tests.data.augment.pairs import coordinates
from tests.data.augment.pairs import pairs
from tests.data.augment.pairs import repeated

pytestmark = pytest.mark.once

sides = st.integers(1, 12)


@given(pairs(), sides, sides, st.integers(0, 99), st.booleans())
def test_size_and_padding(pair, height, width, seed, balanced):
    kind = augment.BalancedCrop if balanced else augment.RandomCrop
    rng = np.random.default_rng(seed)
    _, mask = kind((height, width))(*pair, rng)
    assert mask.shape == (height, width)
    # No pixel is lost to padding that did not have to be.
    rows, columns = np.minimum(pair[1].shape, (height, width))
    assert (mask[:rows, :columns] != 255).all()
    assert (mask[rows:] == 255).all() and (mask[:, columns:] == 255).all()


def test_random_crop_reaches_every_place():
    mask = np.arange(16).reshape(4, 4)
    crop, rng = augment.RandomCrop(2), np.random.default_rng(0)
    corners = [
        int(crop(repeated(mask), mask, rng)[1][0, 0]) for _ in range(900)
    ]
    found, counts = np.unique(corners, return_counts=True)
    assert found.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert counts.min() > 60


def corner_of(crop, mask, rng):
    """Row and column of the upper left pixel of a crop of a mask."""
    image, _ = coordinates(*mask.shape)
    return tuple(crop(image, mask, rng)[0][0, 0].astype(int).tolist())


@given(
    st.tuples(st.integers(0, 8), st.integers(0, 10)),
    st.tuples(st.integers(1, 9), st.integers(1, 11)),
)
def test_balanced_crop_is_centered_on_its_pixel(place, size):
    mask = np.zeros((9, 11), "int32")
    mask[place] = 3
    crop = augment.BalancedCrop(size, weights=[0, 0, 0, 1])
    expected = tuple(
        min(max(center - length // 2, 0), side - length)
        for center, length, side in zip(place, size, mask.shape, strict=True)
    )
    assert corner_of(crop, mask, np.random.default_rng(0)) == expected


def test_balanced_crop_draws_classes_not_pixels():
    # Class 0 has 95 pixels, class 1 four, class 2 one; void is none.
    mask = np.zeros((10, 20), "uint8")
    mask[:, 10:] = 255
    mask[9, 9] = 2
    mask[5, :4] = 1
    rng = np.random.default_rng(0)

    def shares(**options):
        crop = augment.BalancedCrop(1, **options)
        ids = [crop(repeated(mask), mask, rng)[1][0, 0] for _ in range(1000)]
        counts = np.bincount(ids, minlength=256)[[0, 1, 2, 255]]
        return counts / 1000

    # Four standard deviations of a share of 1000 draws are .06.
    for options, expected in (
        ({}, [1 / 3, 1 / 3, 1 / 3, 0]),
        ({"weights": [0, 3, 1]}, [0, 0.75, 0.25, 0]),
        ({"weights": [1, 1]}, [0.5, 0.5, 0, 0]),
        ({"probability": 0.0}, [0.475, 0.02, 0.005, 0.5]),
        ({"probability": 0.5, "weights": [0, 0, 1]},
         [0.2375, 0.01, 0.5025, 0.25]),
        # No class that may be drawn is there: a random place.
        ({"weights": [0, 0, 0, 1]}, [0.475, 0.02, 0.005, 0.5]),
    ):  # fmt: skip
        np.testing.assert_allclose(shares(**options), expected, atol=0.06)


def test_every_pixel_of_the_class_is_drawn():
    mask = np.zeros((6, 6), "uint8")
    mask[1:3, 2:5] = 4
    crop = augment.BalancedCrop(1, weights=[0, 0, 0, 0, 1])
    rng = np.random.default_rng(0)
    places = {corner_of(crop, mask, rng) for _ in range(100)}
    assert places == {(r, c) for r in (1, 2) for c in (2, 3, 4)}


@pytest.mark.parametrize("kind", [augment.RandomCrop, augment.BalancedCrop])
def test_fill(kind):
    image, mask = np.zeros((1, 1, 3), "float32"), np.zeros((1, 1), "uint8")
    crop = kind((1, 2), color=(0.5, 1, 2), ignore_class=9)
    image, mask = crop(image, mask, np.random.default_rng(0))
    assert image.tolist() == [[[0, 0, 0], [0.5, 1, 2]]]
    assert mask.tolist() == [[0, 9]]


@given(pairs(), st.integers(1, 15), st.integers(1, 15))
def test_pad_to(pair, height, width):
    image, mask = augment.pad_to(*pair, (height, width))
    rows, columns = pair[1].shape
    assert mask.shape == (max(rows, height), max(columns, width))
    np.testing.assert_array_equal(mask[:rows, :columns], pair[1])
    np.testing.assert_array_equal(image[:rows, :columns], pair[0])
    assert (mask[rows:] == 255).all() and (mask[:, columns:] == 255).all()
    color = augment.MEAN_COLOR if image.shape[2] == 3 else 115
    assert (image[rows:] == color).all()
    assert (image[:, columns:] == color).all()


@given(
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_window_is_a_cut_of_a_padded_image(corner, size):
    mask = np.arange(12, dtype="uint8").reshape(3, 4)
    padded = np.pad(mask, 20, constant_values=255)
    top, left = corner[0] + 20, corner[1] + 20
    expected = padded[top : top + size[0], left : left + size[1]]
    image, found = augment.window(repeated(mask), mask, corner, size)
    np.testing.assert_array_equal(found, expected)
    colors = repeated(expected)
    colors[expected == 255] = augment.MEAN_COLOR
    np.testing.assert_array_equal(image, colors)


def test_colors():
    mask = np.zeros((1, 1), "uint8")
    for channels, color, expected in (
        (3, (0.5, 1, 2), [0.5, 1, 2]),
        (3, 7, [7, 7, 7]),
        (3, None, [124, 116, 104]),
        (1, None, [115]),
        (2, None, [115, 115]),
        (2, (1, 2), [1, 2]),
    ):
        image = np.zeros((1, 1, channels), "float32")
        padded, ids = augment.pad_to(
            image, mask, (1, 2), color=color, ignore_class=9
        )
        assert padded[0, 1].tolist() == expected
        assert ids.tolist() == [[0, 9]]
    with pytest.raises(ValueError) as caught:
        augment.pad_to(image, mask, (1, 2), color=(1, 2, 3))
    assert str(caught.value) == (
        "`color` must be a number, or one for each channel. Received: "
        "color=[1, 2, 3] for 2 channels"
    )
