"""Bands by number and name, and pixels without data, against rasterio."""

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio.enums import ColorInterp

from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import from_folder
from keras_seg.data import read_image
from keras_seg.data.bands import parse_bands
from keras_seg.data.bands import valid_pixels
from keras_seg.data.geotiff import GeoImage
from keras_seg.data.images import find_bit_depth
from keras_seg.data.loading import PairCache
from tests.data.test_geotiff import write

pytestmark = pytest.mark.once

NAMES = ("Blue", "green", "red", "nir", "swir")


def named(path, pixels, **options):
    """A GeoTIFF whose bands have names."""
    write(path, pixels, **options)
    with rasterio.open(path, "r+") as file:
        file.descriptions = NAMES[: len(pixels)]
    return path


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from(["uint8", "uint16"]),
)
def test_bands_are_those_of_gdal(tmp_path_factory, numbers, by_name, dtype):
    path = tmp_path_factory.mktemp("bands") / "a.tif"
    most = np.iinfo(dtype).max
    rng = np.random.default_rng(0)
    named(path, rng.integers(0, most, (5, 6, 7)).astype(dtype))
    bands = [NAMES[n - 1].upper() for n in numbers] if by_name else numbers
    with rasterio.open(path) as file:
        expected = np.moveaxis(file.read(numbers), 0, -1)
    if dtype == "uint16":
        expected = expected / 257
    found = read_image(path, bands=bands)
    if len(numbers) == 3:  # As RGB is, rounded down.
        assert found.dtype == np.uint8
        expected = np.floor(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with GeoImage(path, len(numbers), bands=bands) as image:
        np.testing.assert_array_equal(image[:, :], found)


def test_unknown_bands(tmp_path):
    pixels = np.ones((5, 6, 7), "uint8")
    path = named(tmp_path / "a.tif", pixels)
    listed = "its bands are 1 Blue, 2 green, 3 red, 4 nir, 5 swir. Fix"
    with pytest.raises(DataError, match=f"has no band lime; {listed}"):
        read_image(path, bands=["red", "lime", "nir"])
    plain = tmp_path / "a.png"
    Image.fromarray(pixels[0]).save(plain)
    with pytest.raises(DataError, match="has no band 2; its bands are 1. Fix"):
        read_image(plain, bands=[1, 2])
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("red", "Red", None, None, None)
    with pytest.raises(DataError, match="has 2 bands red; its bands are 1 red"):
        GeoImage(path, 1, bands=["red"])
    for bands in ([], [0], "red", [""], [1.0]):
        with pytest.raises(ValueError, match="`bands` must be numbers from 1"):
            read_image(path, bands=bands)
    assert parse_bands(" 4, nir") == (4, "nir")


def without_data(path, kind, pixels):
    """A file whose pixels of 0 are without data, as its kind says it."""
    if kind == "nodata":
        return write(path, pixels, nodata=0)
    if kind == "alpha":
        alpha = 255 * pixels.any(axis=0).astype("uint8")
        write(path, np.concatenate([pixels, alpha[None]]))
        with rasterio.open(path, "r+") as file:
            colors = [ColorInterp.undefined] * len(pixels)
            file.colorinterp = [*colors, ColorInterp.alpha]
        return path
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=kind == "mask inside"):
        write(path, pixels)
        with rasterio.open(path, "r+") as file:
            file.write_mask(pixels.any(axis=0))
    return path


@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask", "mask inside"])
def test_pixels_without_data(tmp_path, kind):
    """Void in the mask and 0 in the image, whole and by windows."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 2, (3, 20, 30), "uint8")
    pixels[:, :8] = 0
    path = without_data(tmp_path / "images/a.tif", kind, pixels)
    ids = rng.integers(0, 2, (20, 30), "uint8")
    Image.fromarray(ids).save(tmp_path / "labels/a.png")
    with rasterio.open(path) as file:
        valid = file.dataset_mask() > 0
    np.testing.assert_array_equal(valid, pixels.any(axis=0))
    folder = from_folder(tmp_path, class_table=2)
    image, mask = folder[0]
    np.testing.assert_array_equal(mask, np.where(valid, ids, 255))
    np.testing.assert_array_equal(folder.read_ids(0), mask)
    np.testing.assert_array_equal(image, np.moveaxis(pixels, 0, -1))
    assert folder.without_data == {0: int((~valid).sum())}
    assert folder.subset([0]).without_data == {}
    with GeoImage(path) as raster:
        window = slice(3, 17), slice(5, 30)
        np.testing.assert_array_equal(raster[window], image[window])
        np.testing.assert_array_equal(raster.valid(window), valid[window])
    (found,) = [f for f in check(tmp_path).findings if f.code == "KS-D041"]
    assert found.severity == "note"
    assert f"{int((~valid).sum())} pixels without data" in found.found
    assert PairCache(folder)[0][1].tolist() == mask.tolist()


def test_alpha_that_is_read_is_a_channel(tmp_path):
    """GDAL calls the fourth of four bands alpha, infrared or not."""
    pixels = np.ones((4, 5, 6), "uint8")
    pixels[3, 2] = 0
    path = write(tmp_path / "a.tif", pixels)
    assert not valid_pixels(path)[2].any()
    assert valid_pixels(path, 4) is None
    assert valid_pixels(path, bands=[4, 3, 2]) is None
    assert not valid_pixels(path, bands=[3, 2, 1])[2].any()
    image = read_image(path, bands=[4, 3, 2])
    np.testing.assert_array_equal(image, pixels[3:0:-1].transpose(1, 2, 0))


def test_nodata_of_some_bands_is_a_value(tmp_path):
    """Bright red is no hole; and the depth is that of what is read."""
    pixels = np.full((5, 4, 4), 4095, "uint16")
    pixels[0, :, 0] = pixels[3, 0] = pixels[4] = 65535
    path = write(tmp_path / "a.tif", pixels, nodata=65535)
    assert valid_pixels(path, bands=[2, 3, 4]) is None
    np.testing.assert_array_equal(
        valid_pixels(path, bands=[1, 4]).nonzero(),
        (~((pixels[0] == 65535) & (pixels[3] == 65535))).nonzero(),
    )
    pixels[:4, :, 0] = 65535
    write(path, pixels, nodata=65535)
    assert find_bit_depth([(path, None)], [2, 3]) == 12
    assert find_bit_depth([(path, None)], [1, 2, 3, 4]) == 16
    image = read_image(path, bands=[2, 3, 2], bit_depth=12)
    assert (image[:, 0] == 0).all() and (image[:, 1:] == 255).all()


def test_void_in_masks_of_several_labels(tmp_path):
    pixels = np.ones((3, 6, 7), "uint8")
    pixels[:, 1] = 0
    (tmp_path / "images").mkdir()
    write(tmp_path / "images/a.tif", pixels, nodata=0)
    for name in ("road", "car"):
        (tmp_path / "labels" / name).mkdir(parents=True)
        mask = Image.fromarray(np.eye(6, 7, dtype="uint8"))
        mask.save(tmp_path / "labels" / name / "a.png")
    folder = from_folder(tmp_path, multi_label=True)
    _, mask = folder[0]
    expected = np.where(pixels[0] == 0, 255, np.eye(6, 7))
    np.testing.assert_array_equal(mask, np.stack([expected] * 2, axis=-1))
