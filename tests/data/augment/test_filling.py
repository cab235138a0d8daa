import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.data import augment
from tests.data.augment.pairs import pairs
from tests.data.augment.pairs import repeated

pytestmark = pytest.mark.once


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
        padded, ids = augment.pad_to(image, mask, (1, 2), color=color, void=9)
        assert padded[0, 1].tolist() == expected
        assert ids.tolist() == [[0, 9]]
    with pytest.raises(ValueError) as caught:
        augment.pad_to(image, mask, (1, 2), color=(1, 2, 3))
    assert str(caught.value) == (
        "`color` must be a number, or one for each channel. Received: "
        "color=[1, 2, 3] for 2 channels"
    )
