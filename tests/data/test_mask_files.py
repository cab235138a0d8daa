import pickle

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from keras_seg.data import DataError
from keras_seg.data import Pair
from keras_seg.data.mask_colors import ColorCode
from keras_seg.data.mask_files import MaskFiles

pytestmark = pytest.mark.once

CODE = ColorCode((0, 1), ("a", "b"), ((9, 9, 9), (200, 0, 0)))


def pair(path, array):
    Image.fromarray(array).save(path)
    return Pair("a", path, path)


@given(
    hnp.arrays("uint16", (3, 4), elements=st.sampled_from([0, 7, 255, 65535]))
)
def test_values(tmp_path_factory, raw):
    meaning = {0: 2, 7: 255, 255: 1, 65535: 0}
    masks = MaskFiles(meaning)
    ids = masks(pair(tmp_path_factory.mktemp("m") / "a.png", raw))
    assert ids.tolist() == [[meaning[v] for v in row] for row in raw.tolist()]


def test_other_values(tmp_path):
    raw = np.array([[0, 3, 255]], "uint8")
    with pytest.raises(DataError) as caught:
        MaskFiles({0: 0, 255: 1})(pair(tmp_path / "a.png", raw))
    assert str(caught.value) == (
        f"KS-D003  {tmp_path}/a.png has the values 3; mask_values names 0, "
        "255. Fix: give every value an id there, 255 to ignore it."
    )
    np.save(tmp_path / "b.npy", np.array([[0, -1, 70000]]))
    path = tmp_path / "b.npy"
    with pytest.raises(DataError, match="has the values -1, 70000;"):
        MaskFiles({0: 0, 65535: 1})(Pair("b", path, path))


@pytest.mark.parametrize(
    "values", [[0, 1], {0: -1}, {-1: 0}, {0: 65536}, {"0": 0}, {0.0: 1}]
)
def test_bad_values(values):
    with pytest.raises(ValueError, match="Received: mask_values="):
        MaskFiles(values)


def test_colors(tmp_path):
    colors = np.array([[[9, 9, 9], [200, 0, 0]]], "uint8")
    gray = pair(tmp_path / "gray.png", colors[..., 1])
    rgb = pair(tmp_path / "rgb.png", colors)
    masks = MaskFiles(colors=CODE)
    assert masks(rgb).tolist() == [[0, 1]]
    assert masks(gray).tolist() == [[9, 0]]
    with pytest.raises(DataError, match="KS-D014"):
        MaskFiles(colors=CODE, by_color=True)(gray)
    with pytest.raises(DataError, match="KS-D007"):
        MaskFiles()(rgb)


def test_palettes_through_their_colors(tmp_path):
    image = Image.fromarray(np.array([[5, 2]], "uint8"))
    image.putpalette([0] * 6 + [200, 0, 0] + [0] * 6 + [9, 9, 9])
    image.save(tmp_path / "p.png")
    one = Pair("p", tmp_path / "p.png", tmp_path / "p.png")
    masks = MaskFiles(colors=CODE, by_color=True)
    assert masks(one).tolist() == [[0, 1]]
    # Without being asked to, since the table names other ids for the colors.
    assert MaskFiles(colors=CODE)(one).tolist() == [[0, 1]]
    assert MaskFiles()(one).tolist() == [[5, 2]]
    copy = pickle.loads(pickle.dumps(masks))  # noqa: S301
    assert copy == masks


@pytest.mark.parametrize("last", [255, 20, 30])
def test_a_palette_with_fewer_colors_than_indices(tmp_path, last):
    mask = Image.fromarray(np.array([[0, 1, last]], "uint8"))
    mask.putpalette([200, 0, 0, 9, 9, 9] + [7] * 54)
    mask.save(tmp_path / "p.png")
    one = Pair("p", tmp_path / "p.png", tmp_path / "p.png")
    masks = MaskFiles(colors=CODE)
    if last == 255:
        assert masks(one).tolist() == [[1, 0, 255]]
    else:
        with pytest.raises(DataError, match=f"KS-D014 .*the index {last} and"):
            masks(one)
    # Where no color says otherwise, indices are ids.
    assert MaskFiles()(one).tolist() == [[0, 1, last]]


def test_void_may_have_the_color_of_a_class(tmp_path):
    """`save_mask` writes it so where a class has the color of void."""
    mask = Image.fromarray(np.array([[0, 1, 255]], "uint8"))
    mask.putpalette([9, 9, 9, 200, 0, 0] + [0] * 759 + [200, 0, 0])
    mask.save(tmp_path / "p.png")
    one = Pair("p", tmp_path / "p.png", tmp_path / "p.png")
    assert MaskFiles(colors=CODE)(one).tolist() == [[0, 1, 255]]


def test_masks_of_64_bits(tmp_path):
    ids = np.array([[0, 300]])
    tifffile.imwrite(tmp_path / "a.tif", ids)
    one = Pair("a", tmp_path / "a.tif", tmp_path / "a.tif")
    assert MaskFiles()(one).tolist() == ids.tolist()


def test_smoothed_masks_are_named(tmp_path):
    """Counted by the steps between 0 and 255 that resizing made."""
    disk = np.hypot(*np.mgrid[-20:20, -20:20]) < 13
    smooth = Image.fromarray(255 * disk.astype("uint8")).resize((80, 80))
    smooth.save(tmp_path / "mask.png")
    values = np.asarray(smooth)
    share = 100 * ((values > 0) & (values < 255)).mean()
    said = (
        f"in {share:.1f} % of its pixels; mask_values names 0, 255. Values "
        "between those named lie along its edges: it was resized by"
    )
    masks = MaskFiles({0: 0, 255: 1})
    for side, code, text in (
        (80, "KS-D003", said),
        (40, "KS-D006", "is 80x80 and its image image.png 40x40; "),
    ):
        Image.new("RGB", (side, side)).save(tmp_path / "image.png")
        with pytest.raises(DataError, match="Values between") as caught:
            masks(Pair("0", tmp_path / "image.png", tmp_path / "mask.png"))
        assert caught.value.code == code
        assert text in str(caught.value)
    Image.new("RGB", (18, 18)).save(tmp_path / "image.png")
    # A third value that has areas of its own is a class that was forgotten.
    Image.fromarray(
        np.kron([[0, 90], [255, 0]], np.ones((9, 9))).astype("uint8")
    ).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match="give every value an id there"):
        masks(Pair("0", tmp_path / "image.png", tmp_path / "mask.png"))
