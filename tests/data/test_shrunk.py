import keras
import numpy as np
import pytest

from keras_seg.data import Shrunk
from keras_seg.data import from_folder
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


def test_several_labels_shrink_as_their_planes_do():
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 2, (40, 60, 3), "uint8")
    image = np.zeros((40, 60, 3), "uint8")
    _, stack = Shrunk([(image, mask)], 32)[0]
    for plane in range(3):
        _, alone = Shrunk([(image, mask[..., plane])], 32)[0]
        np.testing.assert_array_equal(stack[..., plane], alone)
