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
def test_balanced_crop_is_centred_on_its_pixel(place, size):
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
    crop = kind((1, 2), color=(0.5, 1, 2), void=9)
    image, mask = crop(image, mask, np.random.default_rng(0))
    assert image.tolist() == [[[0, 0, 0], [0.5, 1, 2]]]
    assert mask.tolist() == [[0, 9]]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"size": 0}, "`size` must be an int of 1 or more. Received: size=0"),
        ({"size": (4, -1)}, "`size` must be an int of 1 or more. "
         "Received: size=-1"),
        ({"size": 1.5}, "`size` must be an int of 1 or more. "
         "Received: size=1.5"),
        ({"size": (4, 4, 3)}, "`size` must be an int or (height, width). "
         "Received: size=(4, 4, 3)"),
        ({"size": 4, "probability": 2}, "`probability` must be a number of "
         "0..1. Received: probability=2"),
        ({"size": 4, "weights": [1, -1]}, "`weights` must be numbers of 0 or "
         "more, one for each class. Received: weights=(1.0, -1.0)"),
        ({"size": 4, "weights": []}, "`weights` must be numbers of 0 or "
         "more, one for each class. Received: weights=()"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, text):
    with pytest.raises(ValueError) as caught:
        augment.BalancedCrop(**arguments)
    assert str(caught.value) == text
