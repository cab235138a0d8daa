import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from keras_seg.data import DataError
from keras_seg.data import read_image
from keras_seg.data import read_mask
from keras_seg.data import voc_colormap
from keras_seg.data.masks import has_colors
from keras_seg.data.masks import read_colors
from keras_seg.data.masks import read_palette
from tests.data.raw_png import write_png

pytestmark = pytest.mark.once

COLORS = voc_colormap(256)
ENCODINGS = {
    "1 bit": 1,
    "gray png": 255,
    "gray tiff": 255,
    "palette png": 255,
    "palette bmp": 255,
    "palette tiff": 255,
    "gray gif": 255,
    "16 bit png": 65535,
    "16 bit tiff": 65535,
    "2 bit png": 3,
    "4 bit png": 15,
    "npy": 2**31,
}


def encode(folder, ids, encoding):
    """Write ids as a mask and give its path."""
    kind, suffix = encoding.rsplit(" ", 1) if " " in encoding else ("", "npy")
    path = folder / f"a.{suffix}"
    if encoding == "1 bit":
        path = folder / "a.png"
        Image.fromarray(ids.astype(bool)).save(path)
    elif encoding == "npy":
        np.save(path, ids)
    elif kind in ("2 bit", "4 bit"):
        # Pillow gives 0, 85, 170, 255 for the four values of two bits.
        write_png(path, ids[..., None], int(kind[0]))
    elif kind == "16 bit":
        Image.fromarray(ids.astype("uint16")).save(path)
    else:
        image = Image.fromarray(ids.astype("uint8"))
        if kind == "palette":
            image.putpalette(COLORS.ravel().tolist())
        image.save(path)
    return path


def message(function, path):
    with pytest.raises(DataError) as caught:
        function(path)
    return str(caught.value).replace(str(path.parent), "DATA")


@given(st.sampled_from(sorted(ENCODINGS)), st.data())
def test_round_trip(tmp_path_factory, encoding, data):
    sides = st.integers(1, 9)
    ids = data.draw(
        hnp.arrays(
            "int64",
            st.tuples(sides, sides),
            elements=st.integers(0, ENCODINGS[encoding]),
        )
    )
    path = encode(tmp_path_factory.mktemp("mask"), ids, encoding)
    mask = read_mask(path)
    assert mask.dtype.kind in "iu"
    assert mask.dtype == np.uint8 or ENCODINGS[encoding] > 255
    np.testing.assert_array_equal(mask, ids)
    assert not has_colors(path)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp"])
def test_colors(tmp_path, suffix):
    colors = np.random.default_rng(0).integers(0, 256, (4, 5, 3), "uint8")
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(colors).save(path, lossless=True)
    assert has_colors(path)
    np.testing.assert_array_equal(read_colors(path), colors)


def test_colors_of_palettes_and_gray(tmp_path):
    ids = np.array([[0, 1, 2]], "uint8")
    path = encode(tmp_path, ids, "palette png")
    np.testing.assert_array_equal(read_colors(path), COLORS[ids])
    path = encode(tmp_path, ids, "gray png")
    assert read_colors(path).tolist() == [[[0] * 3, [1] * 3, [2] * 3]]


def test_alpha(tmp_path):
    ids = np.array([[0, 1, 2]], "uint8")
    opaque = np.full((1, 3, 1), 255, "uint8")
    colors = np.concatenate([COLORS[ids], opaque], axis=-1)
    path = tmp_path / "a.png"
    Image.fromarray(colors).save(path)
    np.testing.assert_array_equal(read_colors(path), COLORS[ids])
    colors[0, 0, 3] = 0
    Image.fromarray(colors).save(path)
    assert message(read_colors, path) == (
        "KS-D007  DATA/a.png is transparent in places; a mask has one color "
        "for each class, and is opaque. Fix: flatten the mask onto the "
        "color of its background."
    )
    Image.merge("LA", [Image.fromarray(a) for a in (ids, opaque[..., 0])]).save(
        path
    )
    np.testing.assert_array_equal(read_mask(path), ids)


def test_colors_of_more_bits(tmp_path):
    for channels in (1, 3):
        pixels = np.zeros((2, 2, channels), "uint16")
        path = write_png(tmp_path / "a.png", pixels, 16)
        assert message(read_colors, path) == (
            "KS-D007  DATA/a.png has colors of more than 8 bits a channel; "
            "class colors have red, green and blue of 0..255. Fix: save the "
            "mask with 8 bits a channel."
        )


def test_jpeg(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (4, 4)).save(path)
    assert message(read_colors, path).startswith("KS-D008  DATA/a.jpg is a")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_each_file_is_turned_by_its_own_tag(tmp_path, orientation):
    # An image and its mask of the same tag stay aligned; so they do where the
    # image's pixels were turned for good and neither has a tag.
    from keras_seg.data import read_image

    ids = np.arange(15, dtype="uint8").reshape(3, 5)
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb = np.repeat(ids[..., None], 3, axis=-1)
    Image.fromarray(rgb).save(tmp_path / "image.png", exif=exif)
    Image.fromarray(ids).save(tmp_path / "mask.png", exif=exif)
    mask = read_mask(tmp_path / "mask.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "image.png")[..., 0], mask
    )
    assert not np.array_equal(mask, ids)


def test_a_gif_of_grays_has_them_for_ids(tmp_path):
    """Pillow numbers the grays that occur anew, from 0."""
    ids = np.array([[1, 2, 7], [2, 1, 1]], "uint8")
    Image.fromarray(ids).save(tmp_path / "mask.gif")
    with Image.open(tmp_path / "mask.gif") as image:
        assert not np.array_equal(np.array(image), ids)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.gif"), ids)
    assert read_palette(tmp_path / "mask.gif") is None


def test_a_gif_of_colors_has_no_ids(tmp_path):
    """Its indices are not those that were written; its colors are."""
    ids = np.array([[1, 2, 7], [2, 1, 1]], "uint8")
    image = Image.fromarray(ids)
    image.putpalette(COLORS.ravel().tolist())
    image.save(tmp_path / "mask.gif")
    assert has_colors(tmp_path / "mask.gif")
    with pytest.raises(DataError, match="color"):
        read_mask(tmp_path / "mask.gif")
    np.testing.assert_array_equal(
        read_colors(tmp_path / "mask.gif"), COLORS[ids]
    )


@pytest.mark.parametrize("colors", [[0, 255], [0, 17], [0, 1], range(16)])
@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("core", [False, True])
def test_bmp_of_few_grays(tmp_path, colors, bits, core):
    """Pillow takes the depth for 1 or 8 bits, whatever it is."""
    ids = np.zeros((3, 40), "uint8")
    ids[1, 8:30] = 1
    colors = list(colors)[: 2**bits]
    if core:  # OS/2's header has no number of colors.
        colors += [0] * (2**bits - len(colors))
    header = struct.pack(
        *("<IHHHH", 12) if core else ("<IiiHH", 40), *(40, 3, 1, bits)
    )
    if not core:
        header += struct.pack("<6I", 0, 0, 0, 0, len(colors), 0)
    palette = b"".join(bytes([c] * 3 + [0] * (not core)) for c in colors)
    text = ["".join(f"{i:0{bits}b}" for i in row) for row in ids[::-1]]
    text = [row.ljust(-(-len(row) // 32) * 32, "0") for row in text]
    pixels = b"".join(int(r, 2).to_bytes(len(r) // 8, "big") for r in text)
    start = 14 + len(header) + len(palette)
    path = tmp_path / "a.bmp"
    path.write_bytes(
        b"BM" + struct.pack("<III", start + len(pixels), 0, start)
        + header + palette + pixels
    )  # fmt: skip
    try:
        found = read_mask(path)
    except DataError as error:
        assert "a palette of few grays" in str(error)
        with pytest.raises(DataError, match="KS-D009"):
            read_image(path)
        assert bits == 4 or (bits, colors) == (8, [0, 255])
    else:
        np.testing.assert_array_equal(found, ids)
