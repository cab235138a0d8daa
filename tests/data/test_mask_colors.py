"""Colors to ids: every color is that of one class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data.mask_colors import ColorCode
from keras_seg.data.mask_colors import color_code

pytestmark = pytest.mark.once


def test_color_code():
    table = ClassTable(("a",), ((1, 2, 3),))
    assert color_code(table).colors == ((1, 2, 3),)
    for without in (ClassTable.default(3), 3, None):
        assert color_code(without) is None


TABLE = ColorCode.of(
    ClassTable(
        ("road", "sky"),
        ((128, 64, 128), (0, 0, 0)),
        frozenset({11}),
        ignore_colors=((11, (1, 2, 3)),),
    )
)

color = st.tuples(*[st.integers(0, 255)] * 3)


def message(pixels, code=TABLE):
    with pytest.raises(DataError) as caught:
        code.decode(np.array(pixels, "uint8"), "a.png")
    assert caught.value.code == "KS-D014"
    return str(caught.value)


@given(st.lists(color, min_size=1, max_size=255, unique=True), st.data())
def test_round_trip(colors, data):
    ids = data.draw(
        hnp.arrays(
            "int64",
            st.tuples(st.integers(1, 9), st.integers(1, 9)),
            elements=st.integers(0, len(colors) - 1),
        )
    )
    names = ("",) * len(colors)
    code = ColorCode(tuple(range(len(colors))), names, tuple(colors))
    pixels = np.array(colors, "uint8")[ids]
    np.testing.assert_array_equal(code.decode(pixels, "a.png"), ids)


def test_void():
    pixels = [[[1, 2, 3], [0, 0, 0], [128, 64, 128]]]
    assert TABLE.decode(np.array(pixels, "uint8"), "").tolist() == [[11, 1, 0]]


def test_unknown():
    # (0, 0, 5) is 5 from black, 3.7 from (1, 2, 3): Euclid's distance.
    pixels = [[[0, 0, 5], [0, 0, 5], [0, 0, 0], [9, 9, 9]]]
    assert message(pixels) == (
        "KS-D014  a.png has 2 pixels of the color (0, 0, 5) (and 1 more such "
        "colors); every color is that of a class or of void. The nearest is "
        "(1, 2, 3) of void. Fix: give the color a line in the class table "
        "(role 'void' to ignore it), or export the masks again."
    )
    assert "has 1 pixel of the color (128, 64, 127); every" in message(
        [[[128, 64, 127]]]
    )
    assert "(0, 0, 0) of sky. The mask seems resized" in message(
        [[[0, 0, i] for i in range(9)]]
    ).replace("(1, 2, 3) of void", "(0, 0, 0) of sky")


def test_gray_saved_as_color():
    assert "A gray mask of ids may have been saved as color." in message(
        [[[0, 0, 0], [1, 1, 1]]]
    )


def test_two_classes_of_one_color():
    colors = ((0, 0, 0), (5, 5, 5), (5, 5, 5))
    code = ColorCode((0, 1, 2), ("a", "b", "c"), colors)
    assert message([[[5, 5, 5]]], code) == (
        "KS-D014  a.png has the color (5, 5, 5) of b and c; every class has "
        "a color of its own. Fix: correct the colors in the class table."
    )
    assert code.decode(np.zeros((1, 1, 3), "uint8"), "").tolist() == [[0]]
