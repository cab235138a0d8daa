import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import DataError
from keras_seg.data import read_image
from keras_seg.data import read_mask
from keras_seg.data.images import read_size

pytestmark = pytest.mark.once

ALLOWED = "a complete PNG, JPEG, TIFF, BMP or WEBP file is expected"
IDS = np.array([[0, 1, 2], [2, 1, 0]], "uint8")


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def message(function, path):
    with pytest.raises(DataError) as caught:
        function(path)
    assert caught.value.file == str(path)
    return str(caught.value).replace(str(path.parent), "DATA")


def raw_png(path, rows, bits, color_type=0):
    """A PNG of few bits a pixel, which Pillow reads but does not write."""

    def chunk(name, body):
        check = zlib.crc32(name + body)
        return (
            struct.pack(">I", len(body))
            + name
            + body
            + struct.pack(">I", check)
        )

    packed = b""
    for row in rows:
        text = "".join(f"{value:0{bits}b}" for value in row)
        text = text.ljust(-(-len(text) // 8) * 8, "0")
        packed += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    head = struct.pack(
        ">IIBBBBB", len(rows[0]), len(rows), bits, color_type, 0, 0, 0
    )
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(packed))
        + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp", "webp"])
def test_rgb(tmp_path, suffix):
    array = np.random.default_rng(0).integers(0, 256, (5, 7, 3), "uint8")
    path = save(tmp_path / f"a.{suffix}", array, lossless=True)
    image = read_image(path)
    assert image.dtype == np.uint8 and image.flags.writeable
    np.testing.assert_array_equal(image, array)


def test_every_mode_becomes_rgb(tmp_path):
    gray = np.array([[0, 100], [200, 255]], "uint8")
    three = np.repeat(gray[..., None], 3, axis=-1)
    path = save(tmp_path / "gray.png", gray)
    np.testing.assert_array_equal(read_image(path), three)
    rgba = np.concatenate([three, np.zeros((2, 2, 1), "uint8")], axis=-1)
    path = save(tmp_path / "rgba.png", rgba)
    np.testing.assert_array_equal(read_image(path), three)
    path = save(tmp_path / "16.png", gray.astype("uint16") * 257)
    np.testing.assert_array_equal(read_image(path), three)
    path = save(tmp_path / "bits.png", gray > 128)
    np.testing.assert_array_equal(read_image(path), (three > 128) * 255)
    palette = Image.fromarray(IDS)
    palette.putpalette([9, 8, 7, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "p.png", transparency=b"\x00\xff\xff")
    assert read_image(tmp_path / "p.png")[0].tolist() == [
        [9, 8, 7],
        [255, 0, 0],
        [0, 255, 0],
    ]


def test_orientation(tmp_path):
    array = np.zeros((8, 16, 3), "uint8")
    array[:, 8:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees
    path = save(tmp_path / "a.jpg", array, exif=exif, quality=95)
    image = read_image(path)
    assert image.shape == (16, 8, 3)
    assert image[:6].mean() < 10 and image[10:].mean() > 245
    assert read_size(path) == (16, 8)
    mask = save(tmp_path / "a.png", IDS, exif=exif)
    np.testing.assert_array_equal(read_mask(mask), np.rot90(IDS, -1))
    assert read_size(save(tmp_path / "b.png", IDS)) == (2, 3)


def test_masks_are_read_as_ids(tmp_path):
    np.testing.assert_array_equal(read_mask(save(tmp_path / "l.png", IDS)), IDS)
    palette = Image.fromarray(IDS)
    palette.putpalette([9, 8, 7, 255, 0, 0, 0, 255, 0])
    for suffix in ("png", "tiff", "bmp"):
        palette.save(tmp_path / f"p.{suffix}")
        mask = read_mask(tmp_path / f"p.{suffix}")
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, IDS)
    mask = read_mask(save(tmp_path / "1.png", IDS > 0))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, IDS > 0)
    wide = IDS.astype("uint16") * 1000
    for suffix in ("png", "tiff"):
        mask = read_mask(save(tmp_path / f"16.{suffix}", wide))
        assert np.issubdtype(mask.dtype, np.integer)
        np.testing.assert_array_equal(mask, wide)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_masks_of_few_bits_keep_their_ids(tmp_path, bits):
    # Pillow gives 0, 85, 170, 255 for the four values of two bits.
    ids = IDS & (2**bits - 1)
    path = raw_png(tmp_path / "a.png", ids.tolist(), bits)
    np.testing.assert_array_equal(read_mask(path), ids)


def test_camera_masks_are_refused(tmp_path):
    path = save(tmp_path / "a.jpg", IDS)
    assert message(read_mask, path) == (
        "KS-D008  DATA/a.jpg is a JPEG; a mask must be stored without loss, "
        "as a PNG. JPEG invents ids along every edge. "
        "Fix: export the masks again from their source as index PNG."
    )
    # The content decides, not the suffix.
    path = path.rename(tmp_path / "a.png")
    assert message(read_mask, path).startswith("KS-D008  DATA/a.png is a JPEG;")


def test_colour_masks_are_refused(tmp_path):
    colors = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], "uint8")
    path = save(tmp_path / "a.png", colors[IDS])
    assert message(read_mask, path) == (
        "KS-D007  DATA/a.png has mode RGB with 3 different colours; a mask "
        "has one channel of class ids, or colours that classes.csv names. "
        "The classes look coded as colours: (0, 0, 0), (0, 128, 0), "
        "(128, 0, 0). Fix: give every class its colour in the columns r, g "
        "and b of classes.csv, or replace every colour by its id."
    )
    path = save(tmp_path / "b.png", np.repeat(IDS[..., None], 4, axis=-1))
    assert message(read_mask, path) == (
        "KS-D007  DATA/b.png has mode RGBA with 3 different colours; a mask "
        "has one channel of class ids, or colours that classes.csv names. "
        "The channels are equal: a grey mask was saved as colour. Fix: keep one channel, for example "
        "Image.open(mask).getchannel(0).save(mask)."
    )


def test_floating_point_is_refused(tmp_path):
    path = save(tmp_path / "a.tiff", IDS.astype("float32"))
    assert message(read_mask, path) == (
        "KS-D007  DATA/a.tiff has floating-point pixels; a mask has one "
        "channel of integer class ids. Fix: save the ids as integers in a "
        "single-channel PNG."
    )
    assert message(read_image, path) == (
        "KS-D009  DATA/a.tiff has floating-point pixels; an image has 8 or "
        "16 bits a channel. Fix: scale it to 0..255 and save it as an 8-bit "
        "PNG."
    )


@pytest.mark.parametrize("function", [read_image, read_mask])
@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp"])
def test_truncated(tmp_path, function, suffix):
    array = np.random.default_rng(0).integers(0, 256, (64, 64), "uint8")
    path = save(tmp_path / f"a.{suffix}", array)
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half])
    text = message(function, path)
    assert text in {
        f"KS-D009  DATA/a.{suffix} is {what} ({half} bytes); {ALLOWED}. "
        "Fix: copy the file again from its source, or remove it."
        for what in ("incomplete or damaged", "not an image")
    }
    if suffix != "tiff":  # whose directory lies at its end
        assert "is incomplete or damaged" in text


def test_truncated_jpeg(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")
    path = save(tmp_path / "a.jpg", array)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert message(read_image, path) == (
        f"KS-D009  DATA/a.jpg is incomplete or damaged ({len(content) // 2} "
        f"bytes); {ALLOWED}. "
        "Fix: copy the file again from its source, or remove it."
    )


@pytest.mark.parametrize("function", [read_image, read_mask, read_size])
@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_not_an_image(tmp_path, function, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert message(function, path) == (
        f"KS-D009  DATA/a.png is not an image ({len(content)} bytes); "
        f"{ALLOWED}. Fix: copy the file again from its source, or remove it."
    )


def test_other_formats_are_not_opened(tmp_path):
    path = save(tmp_path / "a.gif", IDS).rename(tmp_path / "a.png")
    assert "is not an image" in message(read_image, path)


def test_missing(tmp_path):
    assert message(read_image, tmp_path / "a.png") == (
        f"KS-D009  DATA/a.png does not exist; {ALLOWED}. Fix: correct the path."
    )


def test_stack(tmp_path):
    page = Image.fromarray(IDS)
    path = tmp_path / "a.tif"
    page.save(path, save_all=True, append_images=[page, page])
    for function in (read_image, read_mask):
        assert message(function, path) == (
            "KS-D009  DATA/a.tif is a stack of 3 pages; one image in a file "
            "is expected. Fix: read it with keras_seg.data.from_stack, or "
            "save each page as a PNG of its own."
        )


def test_decompression_bomb(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", np.zeros((64, 64), "uint8"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for function in (read_image, read_mask):
        assert message(function, path) == (
            "KS-D009  DATA/a.png has too many pixels to be opened safely; "
            "at most 2000 are read. Fix: cut it into tiles."
        )
