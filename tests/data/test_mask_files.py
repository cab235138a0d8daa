import pickle

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import Pair
from keras_seg.data.mask_files import ColorCode
from keras_seg.data.mask_files import MaskFiles
from keras_seg.data.mask_files import color_code

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
