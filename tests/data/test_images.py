import numpy as np
import pytest
from PIL import Image

from keras_seg.data import DataError
from keras_seg.data import read_image
from keras_seg.data import read_mask
from keras_seg.data.images import read_size
from tests.data.raw_png import png_chunk
from tests.data.raw_png import write_png

pytestmark = pytest.mark.once

ALLOWED = "a complete PNG, JPEG, TIFF, BMP, WEBP or GIF file is expected"
IDS = np.array([[0, 1, 2], [2, 1, 0]], "uint8")


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def message(function, path):
    with pytest.raises(DataError) as caught:
        function(path)
    assert caught.value.file == str(path)
    return str(caught.value).replace(str(path.parent), "DATA")


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


def test_color_masks_are_refused(tmp_path):
    colors = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], "uint8")
    path = save(tmp_path / "a.png", colors[IDS])
    assert message(read_mask, path) == (
        "KS-D007  DATA/a.png has mode RGB with 3 different colors; a mask "
        "has one channel of class ids, or colors that classes.csv names. "
        "The classes look coded as colors: (0, 0, 0), (0, 128, 0), "
        "(128, 0, 0). Fix: give every class its color in the columns r, g "
        "and b of classes.csv, or replace every color by its id."
    )
    path = save(tmp_path / "b.png", np.repeat(IDS[..., None], 4, axis=-1))
    assert message(read_mask, path) == (
        "KS-D007  DATA/b.png has mode RGBA with 3 different colors; a mask "
        "has one channel of class ids, or colors that classes.csv names. "
        "The channels are equal: a gray mask was saved as color. "
        "Fix: keep one channel, for example "
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


@pytest.mark.parametrize("pixel", [-5, 7, 70000])
def test_32_bits_are_refused(tmp_path, pixel):
    # Clipped to 16 bits they would be a black picture, or a white one.
    path = save(tmp_path / "a.tif", np.full((2, 3), pixel, "int32"))
    for channels in (None, 1, 3):
        assert message(lambda p, c=channels: read_image(p, c), path) == (
            f"KS-D017  DATA/a.tif has int32 pixels from {pixel} to {pixel}; "
            "pixels are uint8, uint16, or floats of 0..255. "
            "Fix: scale them to 0..255 and save them as uint8."
        )
    assert (read_mask(path) == pixel).all()


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
    path = save(tmp_path / "a.ppm", IDS).rename(tmp_path / "a.png")
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
            "at most 2000 are read. Fix: cut it into tiles, or, if you trust "
            "it, raise the limit with --max-pixels, in Python "
            "PIL.Image.MAX_IMAGE_PIXELS."
        )


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_all_channels_of_png(tmp_path, channels, bits):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 2**bits, (5, 7, channels), f"uint{bits}")
    path = write_png(tmp_path / "a.png", pixels, bits)
    for asked in (None, channels):
        if asked == 3:
            continue  # RGB, whatever the file has
        image = read_image(path, channels=asked)
        assert image.shape == pixels.shape
        if bits == 8:
            assert image.dtype == np.uint8
            np.testing.assert_array_equal(image, pixels)
        else:
            assert image.dtype == np.float32
            np.testing.assert_allclose(image, pixels / 257, rtol=1e-6)
    assert read_image(path).dtype == np.uint8
    assert message(lambda p: read_image(p, 9), path) == (
        f"KS-D017  DATA/a.png has {channels} "
        f"{'channel' if channels == 1 else 'channels'}; 9 are asked for. "
        f"Fix: read the data with channels={channels}."
    )


def test_all_channels_of_other_modes(tmp_path):
    path = save(tmp_path / "1.png", IDS > 0)
    assert read_image(path, None)[..., 0].tolist() == [
        [0, 255, 255],
        [255, 255, 0],
    ]
    palette = Image.fromarray(IDS)
    palette.putpalette([9, 8, 7, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png", None)[0, 0].tolist() == [9, 8, 7]
    palette.save(tmp_path / "t.png", transparency=b"\x00\xff\xff")
    assert read_image(tmp_path / "t.png", None)[0, 0].tolist() == [9, 8, 7, 0]
    ink = Image.new("CMYK", (3, 2))
    ink.save(tmp_path / "c.jpg")
    assert read_image(tmp_path / "c.jpg", None).shape == (2, 3, 3)


def test_orientation_of_16_bits(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (2, 3, 3), "uint16")
    path = write_png(tmp_path / "a.png", pixels, 16)
    # The eXIf chunk of a TIFF header with the one tag, before the data.
    exif = Image.Exif()
    exif[0x0112] = 6
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    with Image.open(path) as image:
        start = image.tile[0][2] - 8
    content = path.read_bytes()
    chunk = png_chunk(b"eXIf", body)
    path.write_bytes(content[:start] + chunk + content[start:])
    image = read_image(path, None)
    expected = np.rot90(pixels, -1) / 257
    np.testing.assert_allclose(image, expected, rtol=1e-6)


def test_page(tmp_path):
    pages = [np.full((2, 3), i, "uint8") for i in range(3)]
    first, *rest = [Image.fromarray(page) for page in pages]
    path = tmp_path / "a.tif"
    first.save(path, save_all=True, append_images=rest)
    for i in range(3):
        assert (read_image(path, page=i) == i).all()
        assert (read_mask(path, page=i) == i).all()
        assert read_size(path, i) == (2, 3)
    for i in (3, -1):
        assert message(lambda p, i=i: read_mask(p, i), path) == (
            f"KS-D009  DATA/a.tif has no page {i}; its pages are 0..2. "
            "Fix: name one of them."
        )
    png = save(tmp_path / "a.png", IDS)
    np.testing.assert_array_equal(read_mask(png, 0), IDS)


@pytest.mark.parametrize("channels", [0, -1, 2.0, True, "3"])
def test_bad_channels(tmp_path, channels):
    with pytest.raises(ValueError, match=f"Received: channels={channels}"):
        read_image(tmp_path / "a.png", channels)
