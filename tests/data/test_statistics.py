"""The histogram of the classes, against counts written another way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import class_statistics
from keras_seg.data.statistics import count_ids

pytestmark = pytest.mark.once

IDS = st.sampled_from([0, 1, 2, 3, 255])
MASKS = st.lists(
    arrays.arrays("uint8", st.tuples(*[st.integers(1, 5)] * 2), elements=IDS),
    max_size=5,
)


@given(masks=MASKS)
def test_counted_pixel_by_pixel(masks):
    found = class_statistics([(None, mask) for mask in masks], 4)
    assert found.total_images == len(masks)
    assert found.void == sum((mask == 255).sum() for mask in masks)
    for i in range(4):
        having = [mask for mask in masks if (mask == i).any()]
        assert found.pixels[i] == sum((mask == i).sum() for mask in masks)
        assert found.images[i] == len(having)
        assert found.pixels_of_images[i] == sum(
            (mask != 255).sum() for mask in having
        )
    assert found.labelled + found.void == sum(mask.size for mask in masks)
    for values in (found.pixels, found.images, found.pixels_of_images):
        assert values.dtype == np.int64


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64"])
def test_count_ids(dtype):
    ids, pixels = count_ids(np.array([[3, 0, 3], [255, 3, 0]], dtype))
    assert ids.tolist() == [0, 3, 255] and pixels.tolist() == [2, 3, 1]


def test_ids_that_mean_void():
    table = ClassTable(("a", "b"), ((0, 0, 0), (9, 9, 9)), frozenset({7}))
    found = class_statistics([(None, np.array([[0, 1, 7, 255]]))], table)
    assert found.pixels.tolist() == [1, 1] and found.void == 2
    assert found.void_share == 0.5
    with pytest.raises(DataError, match="mask 0 has the ids 0, 6"):
        class_statistics([(None, np.array([[0, 6]]))], table)


def test_nothing_is_all_zeros():
    found = class_statistics([], 2)
    assert found.shares.tolist() == [0, 0] and found.void_share == 0
