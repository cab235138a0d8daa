import numpy as np
import pytest

from keras_seg.data import ClassTable
from keras_seg.visualization import comparison
from keras_seg.visualization import errors
from keras_seg.visualization.coloring import VOID_COLOR
from keras_seg.visualization.comparison import WRONG

pytestmark = pytest.mark.once

CLASSES = ClassTable.default(3)


def test_errors():
    image = np.full((2, 2, 3), 100, "uint8")
    found = errors(image, [[0, 1], [255, 2]], [[0, 2], [0, 2]])
    pale = 140 + 45
    assert found.tolist() == [
        [[pale] * 3, list(WRONG)],
        [list(VOID_COLOR), [pale] * 3],
    ]


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="same height and width"):
        errors(np.zeros((2, 2)), np.zeros((2, 2), int), np.zeros((2, 3), int))


def example(height, width, title="a"):
    truth = np.zeros((height, width), "uint8")
    truth[:, width // 2 :] = 1
    image = np.full((height, width, 3), 90, "uint8")
    return title, image, truth, np.zeros_like(truth)


def colors_of(picture):
    return {tuple(c) for c in np.unique(picture.reshape(-1, 3), axis=0)}


def test_four_pictures_in_the_colors_of_the_classes():
    picture = comparison([example(64, 200)], CLASSES)
    shown = colors_of(picture)
    assert {CLASSES.colors[0], CLASSES.colors[1], WRONG} <= shown
    assert (90, 90, 90) in shown
    assert CLASSES.colors[2] not in shown  # it is in neither mask
    assert picture.shape[1] >= 4 * 200


def test_large_images_are_shrunk_and_masks_stay_masks():
    small = comparison([example(100, 200)], CLASSES, side=200)
    large = comparison([example(1000, 2000)], CLASSES, side=200)
    assert large.shape == small.shape
    np.testing.assert_array_equal(large, small)


def test_rows_of_different_sizes():
    examples = [example(64, 200), example(200, 64, "b")]
    picture = comparison(examples, CLASSES)
    assert picture.shape[0] > 64 + 200


def test_no_example():
    with pytest.raises(ValueError, match="one at least"):
        comparison([], CLASSES)
