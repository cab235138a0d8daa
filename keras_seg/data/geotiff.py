"""GeoTIFF: reading images and writing masks by windows."""

import contextlib
import os
import pathlib
from typing import Any

import numpy as np
from PIL import ExifTags

from keras_seg.atomic import replacing
from keras_seg.data.arrays import tiff_tags
from keras_seg.data.bands import band_numbers
from keras_seg.data.bands import data_mask
from keras_seg.data.bands import numbers_read
from keras_seg.data.bands import open_quietly
from keras_seg.data.bands import opened_tiff
from keras_seg.data.classes import VOID
from keras_seg.data.errors import DataError
from keras_seg.data.images import scaled

__all__ = [
    *("GeoImage", "GeoMask", "is_geotiff", "is_on_earth", "pixel_area"),
    *("place_of", "raster_shape", "write_bands"),
]

_SIDE = 512  # of the blocks in which a mask lies in its file
_CACHE = 256 * 2**20  # bytes; GDAL's default is 5 % of the machine's memory


def is_geotiff(path):
    """Whether a file has a place on Earth.

    That is a transform, ground control points or rational polynomial
    coefficients. False if `rasterio` is not installed: the file is then read
    like any image.
    """
    return opened_tiff(path, lambda file: _place(file) != {}) or False


def raster_shape(path):
    """Height and width of a GeoTIFF; `None` for what is none."""
    return opened_tiff(path, lambda file: file.shape)


def place_of(path):
    """The coordinate system and the transform of a GeoTIFF.

    Returns:
        Tuple of a `rasterio.CRS` or `None`, and an affine transform from
        columns and rows, if need be fitted to ground control points; `None`
        for a file without both.
    """

    def ask(file):
        if not file.transform.is_identity:
            return file.crs, file.transform
        points, crs = file.gcps
        if not points:
            return None
        from rasterio.transform import from_gcps

        return crs, from_gcps(points)

    return opened_tiff(path, ask)


def is_on_earth(crs):
    """Whether a coordinate system is there, and is not that of a plan."""
    return crs is not None and (crs.is_projected or crs.is_geographic)


def pixel_area(place, points):
    """The areas of the pixels around points, on the ellipsoid of WGS 84.

    Args:
        place: see `place_of`.
        points: array `(points, 2)` of x and y in pixels.

    Returns:
        Float64 array `(points,)`, square meters; `None` if the place has no
        coordinate system, or one that is not of the Earth.
    """
    from rasterio.warp import transform as carried

    crs, transform = place
    if not is_on_earth(crs):
        return None
    around = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    corners = np.asarray(points)[:, None] + around
    on_map = transform * corners.reshape(-1, 2).T
    x, y = carried(crs, "EPSG:6933", *on_map)  # keeps areas
    corners = np.reshape([x, y], (2, -1, 4))
    x, y = corners - corners[..., :1]  # Products of large numbers are rounded.
    cross = x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)
    return np.abs(cross.sum(axis=1)) / 8


def _place(file):
    """The place of a file, as options for writing another."""
    place = {}
    if not file.transform.is_identity:
        place["transform"] = file.transform
    if file.crs is not None:
        place["crs"] = file.crs
    points, crs = file.gcps
    if points:
        place |= {"gcps": points, "crs": crs}
    if file.rpcs is not None:
        place["rpcs"] = file.rpcs
    return place


class GeoImage:
    """A GeoTIFF of which windows are read, as `image[rows, columns]`.

    Needs `keras-seg[geo]`. Close it, or use it in a `with` block, in which
    GDAL caches 256 MiB, or as much as `GDAL_CACHEMAX` says. Pixels are those
    of `read_image`.

    Args:
        path: str or path.
        channels: int, number of bands besides alpha; 3 takes gray as well.
            `None` takes all bands, of any type. Defaults to 3.
        bit_depth: optional int, see `read_image`.
        bands: optional numbers and names of bands, see `read_image`.

    Attributes:
        shape: tuple `(height, width, channels)`.

    Raises:
        DataError: If the file is missing or damaged, has other bands, bands
            other than uint8 and uint16, an orientation, or colors that are
            not RGB.
    """

    def __init__(self, path, channels=3, bit_depth=None, bands=None):
        self.path = pathlib.Path(path)
        with self._reading("can't be opened"):
            self.file = open_quietly(path, driver="GTiff")
        self.bit_depth = bit_depth
        self._bands = list(range(1, self.file.count + 1))
        if channels is not None:
            try:
                self._bands = self._seen(channels, bands)
            except DataError:
                self.close()
                raise
        self._rgb = channels == 3
        self.shape = (self.file.height, self.file.width, len(self._bands))

    def __getitem__(self, window):
        """Read `image[rows, columns]`, two slices of step 1."""
        return self._pixels(window=self._window(window))

    def valid(self, window):
        """Which pixels of a window have data, a bool array, or True."""
        with self._reading():
            found = data_mask(
                self.file, self._bands, window=self._window(window)
            )
        return True if found is None else found

    def preview(self, side):
        """The whole image, no side longer than `side` pixels."""
        return self._pixels(out_shape=_fitted(self.shape, side))

    def close(self):
        """Closes the file."""
        self.file.close()

    def __enter__(self):
        import rasterio

        said = "GDAL_CACHEMAX" in os.environ
        self._limit = rasterio.Env(**{} if said else {"GDAL_CACHEMAX": _CACHE})
        self._limit.__enter__()
        return self

    def __exit__(self, *error):
        self.close()
        self._limit.__exit__(*error)

    def _seen(self, channels, named):
        """The numbers, from 1, of the bands for so many channels."""
        from rasterio.enums import ColorInterp

        file = self.file
        if named is not None:
            bands = band_numbers(self.path, named, file.count)
        else:
            bands = numbers_read(file, channels)
            bands *= 3 if channels == 3 and len(bands) == 1 else 1
        kinds = {file.dtypes[number - 1] for number in bands}
        if len(bands) != channels or not kinds <= {"uint8", "uint16"}:
            raise DataError(
                "KS-D017",
                self.path,
                f"has {len(bands)} bands of {', '.join(sorted(kinds))}",
                f"{channels} of uint8 or uint16 are expected, besides alpha",
                fix="name the bands that the network sees, on the command line "
                "--bands 3,2,1",
            )
        turned = tiff_tags(self.path).get(ExifTags.Base.Orientation, 1) != 1
        structure = file.tags(ns="IMAGE_STRUCTURE")
        colored = {ColorInterp.palette, ColorInterp.cyan} & {*file.colorinterp}
        if turned or colored or structure.get("MINISWHITE"):
            raise DataError(
                "KS-D017",
                self.path,
                "is turned by its orientation, or has a palette, CMYK, or "
                "white for 0",
                "windows are read of pixels as they lie in the file",
                fix="write it anew as RGB, for example with gdal_translate "
                "-expand rgb, or predict it whole",
            )
        return bands

    def _pixels(self, **options):
        with self._reading():
            pixels = self.file.read(self._bands, **options)
            valid = data_mask(self.file, self._bands, **options)
        pixels = np.moveaxis(pixels, 0, -1)
        if valid is not None:
            pixels[~valid] = 0
        if pixels.dtype == np.uint16:
            channels = 3 if self._rgb else None
            return scaled(self.path, pixels, channels, self.bit_depth)
        return pixels

    @contextlib.contextmanager
    def _reading(self, what="is incomplete or damaged"):
        import rasterio

        try:
            yield
        except rasterio.RasterioIOError as error:
            raise DataError(
                "KS-D009",
                self.path,
                f"{what} ({error})",
                "a complete GeoTIFF is expected",
                fix="copy the file again from its source",
            ) from error

    def _window(self, window):
        from rasterio.windows import Window

        rows, columns = (
            part.indices(size)[:2]
            for part, size in zip(window, self.shape[:2], strict=True)
        )
        return Window.from_slices(rows, columns)


class GeoMask:
    """A mask that is written by windows, as `mask[rows, columns] = ids`.

    It has the place of its image, the colors of the classes, and void, its
    `nodata`, where the image has no data. The file exists only after the
    `with` block has ended without an error. The mask of a Cloud Optimized
    GeoTIFF is one, whose overviews have the most frequent id.

    Args:
        path: str or path ending in `.tif`.
        image: `GeoImage` of the same pixels.
        colors: array `(classes, 3)`, RGB in 0...255.

    Attributes:
        without_data: int, the pixels of the image that have no data, in the
            windows since the one at the upper left corner.
    """

    def __init__(self, path, image, colors):
        self.path = pathlib.Path(path)
        self._image = image
        self._colors = np.asarray(colors)
        self.shape = image.shape[:2]
        self.without_data = 0

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            created = _created(self.path, self._image, 1, "uint8", VOID)
            self._file = stack.enter_context(created)
            table = {i: tuple(map(int, c)) for i, c in enumerate(self._colors)}
            self._file.write_colormap(1, table)
            self._stack = stack.pop_all()
        return self

    def __setitem__(self, window, ids):
        """Writes `mask[rows, columns] = ids`, two slices of step 1."""
        valid = np.broadcast_to(self._image.valid(window), ids.shape)
        ids = np.where(valid, ids, np.uint8(VOID))
        place = self._image._window(window)
        if place.row_off == place.col_off == 0:  # Tiles may begin again.
            self.without_data = 0
        self.without_data += int(valid.size - np.count_nonzero(valid))
        self._file.write(ids.astype("uint8"), 1, window=place)

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    @staticmethod
    def preview(path, side=np.inf):
        """A finished mask, smaller if need be, see `GeoImage.preview`."""
        import rasterio

        with rasterio.open(path, driver="GTiff") as file:
            return file.read(1, out_shape=_fitted(file.shape, side))


def write_bands(path, image, bands, valid=True):
    """Writes maps at the place of an image, NaN where that has no data.

    Args:
        path: str or path ending in `.tif`.
        image: `GeoImage` of the same pixels.
        bands: dictionary from their names to arrays `(height, width)`.
        valid: bool array `(height, width)`, or True if all have data.
    """
    with _created(path, image, len(bands), "float32", np.nan) as file:
        for number, (name, band) in enumerate(bands.items(), start=1):
            file.write(np.where(valid, band, np.float32(np.nan)), number)
            file.set_band_description(number, name)


@contextlib.contextmanager
def _created(path, image, count, dtype, nodata):
    """A file to write at the place of a `GeoImage`, laid out as that is.

    GDAL makes Cloud Optimized GeoTIFFs of a finished file, with overviews.
    """
    from rasterio.shutil import copy

    options: dict[str, Any] = {"compress": "deflate", "BIGTIFF": "IF_SAFER"}
    with replacing(path) as temporary:
        is_cog = image.file.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG"
        first = temporary.with_suffix(".first") if is_cog else temporary
        with open_quietly(
            first,
            "w",
            driver="GTiff",
            height=image.shape[0],
            width=image.shape[1],
            count=count,
            dtype=dtype,
            nodata=nodata,
            tiled=True,
            blockxsize=_SIDE,
            blockysize=_SIDE,
            **options,
            **_place(image.file),
        ) as file:
            yield file
        if is_cog:
            how = "average" if dtype == "float32" else "mode"
            options |= {"blocksize": _SIDE, "overview_resampling": how}
            copy(first, temporary, driver="COG", **options)


def _fitted(shape, side):
    """Height and width scaled down to sides of at most so many pixels."""
    height, width = shape[:2]
    scale = min(1.0, side / max(height, width))
    return max(1, round(scale * height)), max(1, round(scale * width))
