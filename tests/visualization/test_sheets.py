"""Legends and pictures side by side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_seg import visualization
from keras_seg.data.classes import ClassTable
from keras_seg.visualization import sheets

pytestmark = pytest.mark.once

BLACK, RED, BLUE = (0, 0, 0), (200, 0, 0), (0, 0, 100)
COLORS = np.array([BLACK, RED, BLUE], dtype="uint8")
VOID_COLOR = (224, 224, 192)


def test_legend_shows_every_color_and_more_ink_with_shares():
    names = ["background", "red thing", "blue thing"]
    plain = visualization.legend(names, COLORS)
    assert plain.dtype == np.uint8
    assert plain.shape[0] == 72
    for line, color in enumerate(COLORS):
        row = plain[24 * line : 24 * (line + 1)]
        assert (row == color).all(axis=-1).sum() >= 14 * 14
        assert (row < 100).all(axis=-1).any()
    shares = visualization.legend(names, COLORS, [0.9, 0.0999, 0.0001])
    assert shares.shape[1] > plain.shape[1]


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 60), height=st.integers(16, 300))
def test_legend_has_the_height_asked_for_and_holds_every_class(count, height):
    colors = np.array([(i, 255 - i, 7) for i in range(count)])
    names = [f"class {index}" for index in range(count)]
    picture = visualization.legend(names, colors, height=height)
    assert picture.shape[0] == height
    for color in colors:
        assert (picture == color).all(axis=-1).any()


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (0.0004, "<0.1 %"), (0.123, "12.3 %"), (1, "100.0 %")],
)
def test_percent(share, text):
    assert sheets._percent(share) == text


def test_overlay_with_legend_lists_the_classes_in_the_mask():
    table = ClassTable(
        ("background", "red", "blue"),
        (BLACK, RED, BLUE),
        frozenset({255, 3}),
    )
    image = np.full((64, 80, 3), 100, "uint8")
    mask = np.zeros((64, 80), "uint8")
    mask[:, 40:] = 3
    mask[:8] = 1
    picture = visualization.overlay_with_legend(image, mask, table)
    assert picture.shape[0] == 64
    key = picture[:, 80:]
    assert (key == RED).all(axis=-1).any()
    assert not (key == BLUE).all(axis=-1).any()
    # The void of this table is left as the image.
    assert (picture[8:, 40:80] == 100).all()
    # 640 of 640 + 56 * 40 pixels are red.
    expected = visualization.legend(
        ["background", "red"], COLORS[:2], [1 - 640 / 2880, 640 / 2880], 64
    )
    np.testing.assert_array_equal(key, expected)


def test_overlay_with_legend_of_nothing_but_void():
    table = ClassTable(("a", "b"), (RED, BLUE))
    image = np.full((20, 30, 3), 100, "uint8")
    mask = np.full((20, 30), 255, "uint8")
    picture = visualization.overlay_with_legend(image, mask, table)
    np.testing.assert_array_equal(picture, image)


def test_a_legend_beside_a_tiny_image_stays_legible():
    table = ClassTable(("a", "b"), (RED, BLUE))
    picture = visualization.overlay_with_legend(
        np.zeros((4, 4, 3)), np.zeros((4, 4), int), table
    )
    assert picture.shape[0] == 48


def test_panel():
    first = np.full((30, 40, 3), 10, "uint8")
    second = np.full((20, 50), 20.0)
    picture = visualization.panel([first, second], gap=5)
    assert picture.dtype == np.uint8
    assert picture.shape == (30, 95, 3)
    assert (picture[:, :40] == 10).all()
    assert (picture[:, 40:45] == 255).all()
    assert (picture[:20, 45:] == 20).all()
    assert (picture[20:, 45:] == 255).all()


def test_panel_with_titles():
    image = np.full((30, 60, 3), 10, "uint8")
    titles = ["image", "a title wider than its picture"]
    picture = visualization.panel([image, image], titles)
    bar = picture.shape[0] - 30
    assert bar >= 11
    assert (picture[:bar, :60] < 100).any()
    assert (picture[bar:, :60] == 10).all()
    # The second column is as wide as its title, the picture in its middle.
    assert picture.shape[1] > 60 + 8 + 60
    assert (picture[bar:, 68:] == 10).all(axis=-1).sum() == 30 * 60
