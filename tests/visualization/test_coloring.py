"""Pictures of masks: what is drawn where, and what is written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from keras_seg import visualization

pytestmark = pytest.mark.once

BLACK, RED, BLUE = (0, 0, 0), (200, 0, 0), (0, 0, 100)
COLORS = np.array([BLACK, RED, BLUE], dtype="uint8")
VOID_COLOR = (224, 224, 192)


def half_and_half():
    """Class 1 at the left, class 2 at the right, 8 pixels wide."""
    return np.repeat([[1] * 4 + [2] * 4], 6, axis=0)


def masks(classes=3):
    return hnp.arrays(
        np.uint8,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.sampled_from([*range(classes), 255]),
    )


@given(mask=masks(), dtype=st.sampled_from(["uint8", "int32", "int64"]))
def test_colorize(mask, dtype):
    picture = visualization.colorize(mask.astype(dtype), COLORS)
    assert picture.dtype == np.uint8
    assert picture.shape == (*mask.shape, 3)
    for index, color in ((0, BLACK), (1, RED), (2, BLUE), (255, VOID_COLOR)):
        assert (picture[mask == index] == color).all()


def test_colorize_with_another_void():
    picture = visualization.colorize([[255]], COLORS, void_color=(1, 2, 3))
    assert picture.tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
def test_overlay_mixes_and_outlines(dtype):
    image = np.full((6, 8, 3), 100, dtype)
    picture = visualization.overlay(image, half_and_half(), COLORS, alpha=0.25)
    assert picture.dtype == np.uint8
    # .75 * 100 + .25 * 200 = 125; .75 * 100 = 75; .75 * 100 + .25 * 100 = 100
    assert (picture[:, :3] == (125, 75, 75)).all()
    assert (picture[:, 5:] == (75, 75, 100)).all()
    # On either side of the edge .6 of the color and .4 of white.
    assert (picture[:, 3] == (222, 102, 102)).all()
    assert (picture[:, 4] == (102, 102, 162)).all()


@settings(deadline=None)
@given(mask=masks())
def test_overlay_leaves_void_and_black_classes_as_the_image(mask):
    image = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3))
    picture = visualization.overlay(image, mask, COLORS, alpha=1.0)
    untouched = (mask == 255) | (mask == 0)
    np.testing.assert_array_equal(picture[untouched], image[untouched])


def test_overlay_with_alpha_0_draws_outlines_alone():
    image = np.full((6, 8, 3), 100, "uint8")
    picture = visualization.overlay(image, half_and_half(), COLORS, alpha=0.0)
    changed = (picture != image).any(axis=-1)
    assert changed[:, 3:5].all()
    assert changed.sum() == 12


def test_outlines_grow_with_the_image():
    mask = np.ones((1200, 1200), "uint8")
    mask[:, 600:] = 2
    image = np.full(mask.shape, 100, "uint8")
    picture = visualization.overlay(image, mask, COLORS, alpha=0.0)
    changed = (picture != 100).any(axis=-1)
    assert changed[:, 597:603].all()
    assert changed.sum() == 6 * 1200


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 1)])
def test_gray_images(shape):
    image = np.full(shape, 100, "uint8")
    picture = visualization.overlay(image, np.zeros((6, 8), int), COLORS)
    assert (picture == 100).all()
    assert picture.shape == (6, 8, 3)


def test_arguments_are_left_as_they_were():
    image, mask = np.full((6, 8, 3), 100, "uint8"), half_and_half()
    image.flags.writeable = mask.flags.writeable = False
    visualization.overlay(image, mask, COLORS)
    picture = visualization.panel([image])
    picture[:] = 0
    assert (image == 100).all()


@settings(max_examples=30, deadline=None)
@given(mask=masks(classes=20))
def test_a_mask_comes_back_exactly(tmp_path_factory, mask):
    path = tmp_path_factory.getbasetemp() / "mask.png"
    colors = np.random.default_rng(0).integers(0, 256, (20, 3))
    visualization.save_mask(path, mask.astype("int64"), colors)
    with Image.open(path) as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), mask)
        np.testing.assert_array_equal(
            np.asarray(image.convert("RGB")),
            visualization.colorize(mask, colors),
        )


def test_images_are_written_whole(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), "uint8")
    visualization.save_image(str(tmp_path / "a.png"), image)
    with Image.open(tmp_path / "a.png") as read:
        np.testing.assert_array_equal(np.asarray(read), image)
    visualization.save_image(tmp_path / "a.JPG", image[..., 0])
    with Image.open(tmp_path / "a.JPG") as read:
        assert read.size == (7, 9)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.JPG", "a.png"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    visualization.save_image(path, np.zeros((2, 2, 3)))
    before = path.read_bytes()

    def full_disk(self, file, **options):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        visualization.save_image(path, np.ones((2, 2, 3)))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


IMAGE = np.zeros((2, 2, 3))
MASK = np.zeros((2, 2), int)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda v: v.colorize([[0, 3, 7, -1]], COLORS),
            r"ids in 0\.\.\.2.*Received: ids \[-1, 3, 7\]",
        ),
        (
            lambda v: v.colorize(np.zeros((2, 2)), COLORS),
            "integer array.*dtype float64",
        ),
        (
            lambda v: v.colorize(np.zeros((2, 2, 1), int), COLORS),
            r"Received: shape \(2, 2, 1\)",
        ),
        (
            lambda v: v.colorize(MASK, [1, 2, 3]),
            r"`colors` must be RGB.*Received: shape \(3,\)",
        ),
        (lambda v: v.colorize(MASK, [[0.5, 1, 1]]), "dtype float64"),
        (lambda v: v.colorize(MASK, [[256, 1, 1]]), "0...255"),
        (lambda v: v.colorize(MASK, COLORS, (1, 2)), "`void_color` must"),
        (
            lambda v: v.overlay(np.zeros((3, 2, 3)), MASK, COLORS),
            r"same height.*Received: image of shape \(3, 2, 3\)",
        ),
        (lambda v: v.overlay(IMAGE, MASK, COLORS, 1.5), "Received: 1.5"),
        (
            lambda v: v.overlay(IMAGE - 1, MASK, COLORS),
            r"preprocessed.*Received: values in -1\.0",
        ),
        (lambda v: v.overlay(IMAGE * np.nan, MASK, COLORS), "values in nan"),
        (
            lambda v: v.panel([np.zeros((2, 2, 4))]),
            r"picture.*Received: shape \(2, 2, 4\)",
        ),
        (lambda v: v.panel([np.array([["a"]])]), "dtype <U1"),
        (lambda v: v.panel([]), "Received: none"),
        (lambda v: v.panel([IMAGE], gap=-1), "Received: -1"),
        (lambda v: v.panel([IMAGE], ["a", "b"]), "Received: 2 titles"),
        (lambda v: v.legend(["a"], COLORS), "Received: 1 names, 3 colors"),
        (
            lambda v: v.legend(list("abc"), COLORS, [0.5]),
            r"`shares`.*Received: shape \(1,\)",
        ),
        (lambda v: v.legend(list("abc"), COLORS, None, 9), "Received: 9"),
        (
            lambda v: v.save_mask("mask.jpg", MASK, COLORS),
            "PNG, which keeps the ids. Received: path='mask.jpg'",
        ),
        (lambda v: v.save_image("a.txt", IMAGE), "Received: path='a.txt'"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(visualization)
