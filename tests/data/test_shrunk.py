import keras
import numpy as np
import pytest

from keras_seg.data import Shrunk
from keras_seg.data import from_folder
from keras_seg.data import suggest_longest_side
from keras_seg.data.augment.scaling import resize_image
from keras_seg.data.augment.scaling import resize_mask
from keras_seg.layers import ShrinkToFit
from tests.data.test_folder import write

pytestmark = pytest.mark.once


def test_pairs(tmp_path):
    masks = [np.arange(60 * 40).reshape(60, 40) % 3, np.zeros((10, 30), int)]
    folder = from_folder(write(tmp_path, masks))
    shrunk = Shrunk(folder, 30)
    assert len(shrunk) == 2 and shrunk.pairs == folder.pairs
    image, mask = shrunk[0]
    np.testing.assert_array_equal(mask, resize_mask(folder[0][1], (30, 20)))
    np.testing.assert_array_equal(image, resize_image(folder[0][0], (30, 20)))
    assert [shrunk.size(i) for i in range(2)] == [(30, 20), (10, 30)]
    for before, after in zip(folder[1], shrunk[1], strict=True):
        np.testing.assert_array_equal(before, after)
    with pytest.raises(ValueError, match="Received: longest_side=0"):
        Shrunk(folder, 0)


def test_images_are_those_that_the_layer_makes():
    image = np.random.default_rng(0).integers(0, 256, (61, 90, 3), "uint8")
    found, _ = Shrunk([(image, image[..., 0])], 40)[0]
    expected = ShrinkToFit(40)(image[None].astype("float32"))[0]
    difference = keras.ops.convert_to_numpy(expected) - found
    assert np.abs(difference).max() <= 1.5


def square(side, *boxes):
    mask = np.zeros((side, side), "uint8")
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = 1
    return [(mask[..., None], mask)]


@pytest.mark.parametrize(
    ("data", "side"),
    [
        # Below 1,024, half of the image is less than 512.
        (square(1000, (0, 0, 500, 500)), None),
        # The background is as long as the image: 384 of it are 512 at least.
        (square(3000, (0, 0, 1500, 1500)), 512),
        # 24 of 60 pixels: 3000 * 24 / 60 = 1200, a multiple of 32 is 1216.
        (square(3000, (0, 0, 60, 60)), 1216),
        # 24 of 40 would be 1800, more than a half.
        (square(3000, (0, 0, 40, 40)), None),
        # A pole is long enough, and 12 pixels thick: 3000 * 3 / 12 = 750.
        (square(3000, (0, 0, 2000, 12)), 768),
        # Void is no object.
        ([(None, np.full((2000, 2000), 255, "uint8"))], None),
    ],
)
def test_suggested_side(data, side):
    found = suggest_longest_side(data)
    if side is None:
        assert found is None
    else:  # Masks are measured at 1,024 pixels, to about 3 of 3,000.
        assert found % 32 == 0 and abs(found - side) <= 0.1 * side


def test_speckles_of_a_large_object_do_not_count():
    clean = square(3000, (500, 500, 1500, 1500))[0][1]
    speckled = clean.copy()
    places = np.random.default_rng(0).integers(0, 2990, (200, 2))
    for top, left in places:
        speckled[top : top + 3, left : left + 3] = 1
    assert suggest_longest_side([(None, speckled)]) == 512
