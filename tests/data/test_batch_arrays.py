import itertools

import numpy as np
import pytest

from keras_seg.data.batch_arrays import BatchArrays

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
PAIRS = [
    (
        RNG.integers(0, 256, (4, 3 + i, 3), "uint8"),
        RNG.integers(0, 9, (4, 3 + i), "uint8"),
    )
    for i in range(3)
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_does_not_matter(order):
    arrays = BatchArrays([7, 8, 9], (6, 5), weighted=True)
    for place in order:
        image, mask = PAIRS[place]
        arrays.fill(place, image[:, ::-1], mask, mask.astype("float64") / 2)
    images, masks, weights = arrays.result()
    assert (images.dtype, masks.dtype, weights.dtype) == (
        np.uint8, np.int32, np.float32
    )  # fmt: skip
    for place, (image, mask) in enumerate(PAIRS):
        inside = np.s_[place, :4, : 3 + place]
        np.testing.assert_array_equal(images[inside], image[:, ::-1])
        np.testing.assert_array_equal(masks[inside], mask)
        np.testing.assert_array_equal(weights[inside], mask / 2)
        outside = np.ones((6, 5), bool)
        outside[:4, : 3 + place] = False
        assert (images[place][outside] == (124, 116, 104)).all()
        assert (masks[place][outside] == 255).all()
        assert (weights[place][outside] == 0).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_bytes_and_floats_give_floats(order):
    pairs = [PAIRS[0], (PAIRS[1][0][:, :3] / np.float32(7), PAIRS[0][1])]
    arrays = BatchArrays([0, 1], (4, 3))
    for place in order:
        arrays.fill(place, *pairs[place])
    images, _ = arrays.result()
    assert images.dtype == np.float32
    for place, (image, _) in enumerate(pairs):
        np.testing.assert_array_equal(images[place], image)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_channels_must_agree(order):
    arrays = BatchArrays([4, 6], (4, 3))
    images = [np.zeros((4, 3, 3), "uint8"), np.zeros((4, 3, 4), "uint8")]
    for place in order:
        arrays.fill(place, images[place], PAIRS[0][1])
    with pytest.raises(ValueError) as caught:
        arrays.result()
    assert str(caught.value) == (
        "The images of a batch must have the same channels. "
        "Received: pair 4 with 3, pair 6 with 4"
    )
