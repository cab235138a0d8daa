import struct
import sys

import numpy as np
import pytest
from PIL import Image
from PIL import ImageOps

from keras_seg.data import DataError
from keras_seg.data import read_image
from keras_seg.data import read_mask
from keras_seg.data.images import read_size

pytestmark = pytest.mark.once


def message(function, path):
    with pytest.raises(DataError) as caught:
        function(path)
    return str(caught.value).replace(str(path.parent), "DATA")


def save(path, array):
    np.save(path, array)
    return path


@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
def test_npy(tmp_path, channels, dtype):
    rng = np.random.default_rng(0)
    top = 65536 if dtype == "uint16" else 256
    pixels = rng.integers(0, top, (4, 5, channels)).astype(dtype)
    path = save(tmp_path / "a.npy", pixels)
    image = read_image(path, None)
    assert image.dtype == (np.uint8 if dtype == "uint8" else np.float32)
    scale = 257 if dtype == "uint16" else 1
    np.testing.assert_allclose(image, pixels / scale, rtol=1e-6)
    assert read_size(path) == (4, 5)
    if channels == 6:
        assert message(read_image, path).startswith(
            "KS-D017  DATA/a.npy has 6 channels; 3 are asked for."
        )
        return
    image = read_image(path)
    assert image.shape == (4, 5, 3)
    assert image.dtype == (np.float32 if dtype == "float64" else np.uint8)
    np.testing.assert_array_equal(image[..., :1], pixels[..., :1] // scale)


def test_npy_of_two_axes(tmp_path):
    ids = np.array([[0, 1, 70000]])
    path = save(tmp_path / "a.npy", ids)
    np.testing.assert_array_equal(read_mask(path), ids)
    path = save(tmp_path / "b.npy", ids[..., None] > 0)
    assert read_mask(path).tolist() == [[0, 1, 1]]
    assert read_image(path, 1)[..., 0].tolist() == [[0, 255, 255]]
    path = save(tmp_path / "c.npy", ids / 2)
    assert message(read_mask, path) == (
        "KS-D007  DATA/c.npy has float64 values of the shape (1, 3); a mask "
        "has one channel of integer class ids. Fix: save an integer array "
        "(height, width)."
    )


@pytest.mark.parametrize(
    ("pixel", "found"),
    [(-1.0, "-1.0 to 0.0"), (256.0, "0.0 to 256.0"), (np.nan, "nan to nan")],
)
def test_floats_are_0_to_255(tmp_path, pixel, found):
    path = save(tmp_path / "a.npy", np.array([[0.0, pixel]]))
    assert message(read_image, path) == (
        f"KS-D017  DATA/a.npy has float64 pixels from {found}; pixels are "
        "uint8, uint16, or floats of 0..255. "
        "Fix: scale them to 0..255 and save them as uint8."
    )


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int64"])
def test_integers_of_unknown_range_are_refused(tmp_path, dtype):
    # 7 of 255 or of 65535? Taken for 16 bits, a picture of 8 would be black.
    path = save(tmp_path / "a.npy", np.full((2, 3), 7, dtype))
    for channels in (None, 1, 3):
        assert message(lambda p, c=channels: read_image(p, c), path) == (
            f"KS-D017  DATA/a.npy has {dtype} pixels from 7 to 7; pixels are "
            "uint8, uint16, or floats of 0..255. "
            "Fix: scale them to 0..255 and save them as uint8."
        )
    assert (read_mask(path) == 7).all()


@pytest.mark.parametrize("order", "<>")
def test_byte_order(tmp_path, order):
    array = np.array([[0, 257, 65535]], f"{order}u2")
    path = save(tmp_path / "a.npy", array)
    assert read_image(path, 1).ravel().tolist() == [0, 1, 255]
    assert read_image(path)[0, :, 0].tolist() == [0, 1, 255]
    assert read_mask(path).tolist() == array.tolist()
    Image.fromarray(array).save(tmp_path / "a.tif")
    for channels in (1, 3):
        image = read_image(tmp_path / "a.tif", channels)
        assert image[0, :, 0].tolist() == [0, 1, 255]
    assert read_mask(tmp_path / "a.tif").tolist() == array.tolist()
    tifffile = pytest.importorskip("tifffile")
    three = np.repeat(array[..., None], 3, axis=-1)
    for name, byteorder in (("b.tif", order), ("c.tif", "<")):
        tifffile.imwrite(
            tmp_path / name, three, photometric="rgb", byteorder=byteorder
        )
        for channels in (None, 3):
            image = read_image(tmp_path / name, channels)
            assert image[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4, 4, 0)])
def test_npy_of_nothing(tmp_path, shape):
    path = save(tmp_path / "a.npy", np.zeros(shape, "uint8"))
    for function in (read_image, read_mask, read_size):
        assert message(function, path) == (
            f"KS-D017  DATA/a.npy has the shape {shape}; (height, width) or "
            "(height, width, channels) is expected, each 1 or more. "
            "Fix: save one image in each file."
        )


def test_npy_is_never_unpickled(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([[{}]]), allow_pickle=True)
    for function in (read_image, read_mask, read_size):
        assert message(function, path).startswith(
            "KS-D009  DATA/a.npy is incomplete or damaged"
        )
    path.write_bytes(b"")
    assert message(read_image, path) == (
        "KS-D009  DATA/a.npy is incomplete or damaged (0 bytes); a complete "
        "NPY file is expected. Fix: copy the file again from its source, or "
        "remove it."
    )
    path = save(tmp_path / "b.npy", np.zeros(3))
    assert message(read_image, path).startswith(
        "KS-D017  DATA/b.npy has the shape (3,);"
    )


def test_npy_too_large(tmp_path, monkeypatch):
    path = save(tmp_path / "a.npy", np.zeros((64, 64), "uint8"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert "too many pixels" in message(read_image, path)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(
    ("dtype", "channels"),
    [("uint16", 3), ("uint16", 6), ("uint8", 3), ("uint8", 5)],
)
def test_tiff(tmp_path, planar, dtype, channels):
    tifffile = pytest.importorskip("tifffile")
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    pixels = rng.integers(0, top + 1, (4, 5, channels), dtype)
    path = tmp_path / "a.tif"
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    photometric = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(path, stored, planarconfig=planar, photometric=photometric)
    image = read_image(path, None)
    assert image.dtype == (np.uint8 if dtype == "uint8" else np.float32)
    np.testing.assert_allclose(image, pixels / (top / 255), rtol=1e-6)
    assert read_size(path) == (4, 5)
    if channels == 3:
        np.testing.assert_allclose(read_image(path), image, atol=1)
    else:
        np.testing.assert_array_equal(read_image(path, channels, 0), image)
        assert "3 are asked for" in message(read_image, path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_orientation(tmp_path, orientation):
    # Pillow's exif_transpose is the oracle, on the first three channels.
    tifffile = pytest.importorskip("tifffile")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 6), "uint8")
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        pixels,
        photometric="minisblack",
        planarconfig="contig",
        extratags=[(274, "H", 1, orientation, True)],
    )
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels[..., :3]).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read_image(path, 6)[..., :3], expected)
    assert read_size(path) == expected.shape[:2]


def test_tiff_pages(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pages = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 6), "uint8")
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, pages, photometric="minisblack", planarconfig="contig"
    )
    for i in range(3):
        np.testing.assert_array_equal(read_image(path, 6, i), pages[i])
    assert message(lambda p: read_image(p, 6), path) == (
        "KS-D009  DATA/a.tif is a stack of 3 pages; one image in a file "
        "is expected. Fix: read it with keras_seg.data.from_stack, or save "
        "each page as a PNG of its own."
    )
    for i in (3, -1):
        assert f"has no page {i}; its pages are 0..2." in message(
            lambda p, i=i: read_image(p, 6, i), path
        )


def test_without_tifffile(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        np.zeros((4, 5, 6), "uint8"),
        photometric="minisblack",
        planarconfig="contig",
    )
    monkeypatch.setitem(sys.modules, "tifffile", None)
    expected = (
        "KS-D016  DATA/a.tif needs the package tifffile, which is not "
        "installed; TIFF of more than 4 channels, of more than 8 bits in "
        "several, or with blocks that were never written is read with "
        "tifffile. "
        'Fix: pip install "keras-seg[tiff]", if the file is whole.'
    )
    for function in (read_size, lambda p: read_image(p, None)):
        assert message(function, path) == expected
    # What Pillow reads needs no more.
    Image.fromarray(np.zeros((4, 5), "uint8")).save(path)
    assert read_image(path, 1).shape == (4, 5, 1)


def test_without_imagecodecs(tmp_path, monkeypatch):
    # tifffile leaves LZW to imagecodecs, which may be there or not.
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        np.zeros((4, 5, 6), "uint8"),
        photometric="minisblack",
        planarconfig="contig",
    )

    def fail(page):
        raise ValueError("<LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", fail)
    text = message(lambda p: read_image(p, None), path)
    assert text.startswith("KS-D016  DATA/a.tif needs the package imagecodecs")
    assert text.endswith("Fix: pip install imagecodecs, if the file is whole.")


def test_damaged_tiff(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        np.zeros((40, 50, 6), "uint8"),
        photometric="minisblack",
        planarconfig="contig",
    )
    path.write_bytes(path.read_bytes()[:2000])
    assert message(lambda p: read_image(p, None), path).startswith(
        "KS-D009  DATA/a.tif is incomplete or damaged (2000 bytes);"
    )


@pytest.mark.parametrize("dtype", ["U1", "S3", "V5", "u1,f4", "M8[s]", "c8"])
@pytest.mark.parametrize("read", [read_image, read_mask, read_size])
def test_values_that_are_no_numbers(tmp_path, dtype, read):
    path = save(tmp_path / "a.npy", np.zeros((4, 4), dtype))
    assert message(read, path).startswith(
        "KS-D017  DATA/a.npy has values of the type "
    )


def headers(path, height, width, samples):
    """A file of some hundred bytes that claims to be large."""
    if path.suffix == ".npy":
        with open(path, "wb") as file:
            shape = (height, width, samples)
            fields = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, fields)
            file.truncate(file.tell() + height * width * samples)  # no room
        return
    tags = [
        *((256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1)),
        *((262, 3, 2), (273, 4, 8), (277, 3, samples), (278, 4, height)),
        (279, 4, 100),
    ]
    entries = (struct.pack("<HHII", t, kind, 1, v) for t, kind, v in tags)
    path.write_bytes(
        struct.pack("<4sIH", b"II*\0", 8, len(tags))
        + b"".join(entries)
        + bytes(200)
    )


@pytest.mark.parametrize("name", ["a.tif", "a.npy"])
@pytest.mark.parametrize(
    ("side", "samples"), [(100_000, 5), (120, 65_535), (4_000, 50)]
)
def test_memory_is_not_asked_for(tmp_path, name, side, samples):
    """More values than 178,956,970 pixels of four channels have."""
    if name == "a.tif":
        pytest.importorskip("tifffile")
    path = tmp_path / name
    headers(path, side, side, samples)
    assert "has too many pixels" in message(read_image, path)
