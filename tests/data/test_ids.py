import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import class_statistics
from keras_seg.data.ids import classes_of_ids
from keras_seg.data.ids import count_ids
from keras_seg.data.ids import ids_of_mask
from keras_seg.data.ids import normalize_mask
from keras_seg.data.ids import refuse_black_and_white

pytestmark = pytest.mark.once

FIX = (
    "Fix: give every id a line in classes.csv (role 'void' to ignore it), or "
    "renumber the masks."
)


def message(ids, classes):
    with pytest.raises(DataError) as caught:
        normalize_mask(np.array([ids]), classes, "a.png")
    assert caught.value.code == "KS-D003"
    return str(caught.value)


@given(
    st.lists(st.integers(0, 255), min_size=1),
    st.sampled_from(["uint8", "uint16", "int32"]),
)
def test_ids_of_mask(ids, dtype):
    assert ids_of_mask(np.array([ids], dtype)) == sorted(set(ids))


@given(st.lists(st.sampled_from([0, 1, 2, 7, 255, 300]), min_size=1))
def test_void_becomes_255(ids):
    classes = ClassTable(("a", "b", "c"), ((0, 0, 0),) * 3, frozenset({7, 300}))
    mask = np.array([ids], "int32")
    normal = normalize_mask(mask, classes, "a.png")
    assert normal.dtype == np.uint8
    expected = [i if i < 3 else 255 for i in ids]
    assert normal.tolist() == [expected]
    assert mask.tolist() == [ids]


def test_outside():
    assert message([0, 7, 255], ClassTable.default(2)) == (
        "KS-D003  a.png has the ids 0, 7, 255; the data set has 2 classes: "
        f"0..1, and 255 for void. The ids look like gray levels, drawn to be "
        f"seen. {FIX}"
    )
    table = ClassTable(("a",), ((0, 0, 0),), frozenset({11}))
    assert message([0, 2], table) == (
        "KS-D003  a.png has the ids 0, 2; the data set has 1 class: 0, and "
        f"11, 255 for void. {FIX}"
    )
    assert message(list(range(30)), ClassTable.default(20)) == (
        "KS-D003  a.png has the ids 0, 1, 2, 3, 4, 5, ..., 27, 28, 29; the "
        f"data set has 20 classes: 0..19, and 255 for void. {FIX}"
    )
    assert "has the ids -1, 0;" in message([0, -1], ClassTable.default(2))


def test_off_by_one():
    assert message([1, 2, 3], ClassTable.default(3)) == (
        "KS-D003  a.png has the ids 1, 2, 3; the data set has 3 classes: "
        "0..2, and 255 for void. The ids seem to start at 1 instead of 0. "
        f"{FIX}"
    )
    assert "One class may be missing from the table." in message(
        [0, 3], ClassTable.default(3)
    )


def test_black_and_white():
    with pytest.raises(DataError) as caught:
        refuse_black_and_white(
            [[0], [0, 255]], ClassTable.default(2), ["a.png", "b.png"]
        )
    assert str(caught.value) == (
        "KS-D003  b.png has the ids 0, 255; the data set has 2 classes: "
        "0..1, and 255 for void. The masks (2 read) hold nothing but 0 and "
        "255: they look like black-and-white masks, not like void. "
        "Fix: read them with mask_values={0: 0, 255: 1}, on the command line "
        "--mask-values 0:0,255:1."
    )
    for fine in ([[0, 255], [1]], [[0], [0]], [[0, 1, 255]]):
        refuse_black_and_white(fine, ClassTable.default(2), "ab")


def test_classes_of_ids():
    assert classes_of_ids([[0, 3], [1, 255]], "ab") == ClassTable.default(4)
    with pytest.raises(DataError) as caught:
        classes_of_ids([[0], [0, 256]], ["a.png", "b.png"])
    assert str(caught.value) == (
        "KS-D003  b.png has the ids 0, 256; ids are 0..254, 255 is void. "
        "Fix: renumber the masks."
    )
    with pytest.raises(DataError) as caught:
        classes_of_ids([[255], [255]], ["a.png", "b.png"])
    assert str(caught.value) == (
        "KS-D010  a.png and the other masks (2 read) are void everywhere; "
        "some pixels must have a class. Fix: check how the masks were "
        "written."
    )


def test_void_is_no_gray_level():
    """255 beside one id too many says nothing of how masks were drawn."""
    assert "gray" not in message([0, 1, 5, 255], ClassTable.default(3))
    assert "gray" in message([0, 1, 100, 255], ClassTable.default(3))


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
