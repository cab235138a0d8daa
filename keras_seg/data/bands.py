"""Bands of rasters by number and name, and which pixels have data."""

import contextlib
import pathlib
import warnings
from typing import Any

from PIL import ExifTags

from keras_seg import words
from keras_seg.data.arrays import oriented
from keras_seg.data.arrays import tiff_tags
from keras_seg.data.errors import DataError
from keras_seg.data.remote import RemoteImage
from keras_seg.lazy import is_installed

__all__ = [
    *("band_numbers", "check_bands", "data_mask", "numbers_read"),
    *("open_quietly", "opened_tiff", "parse_bands", "say_void"),
    "valid_pixels",
]


def parse_bands(text):
    """The bands of a text, numbers from 1 or names.

    Example:

    >>> parse_bands("4,3,2"), parse_bands("nir, red")
    ((4, 3, 2), ('nir', 'red'))
    """
    parts = [part.strip() for part in text.split(",")]
    bands = tuple(int(part) if part.isdecimal() else part for part in parts)
    check_bands(bands)
    return bands


def check_bands(bands):
    """Refuse what is neither `None` nor numbers from 1 and names."""
    if bands is None:
        return
    good = isinstance(bands, list | tuple) and len(bands)
    if not good or not all(
        (type(band) is int and band >= 1) or (isinstance(band, str) and band)
        for band in bands
    ):
        raise ValueError(
            "`bands` must be numbers from 1, or names, such as (4, 3, 2) or "
            f"('nir', 'red', 'green'). Received: bands={bands!r}"
        )


def band_numbers(path, bands, count):
    """The numbers, from 1, of bands of a file that has so many.

    Args:
        path: str or path.
        bands: sequence of numbers from 1, and of names: the descriptions of
            the bands of a TIFF, in which case does not count.
        count: int.

    Raises:
        DataError: If the file has no such band, or several of a name.
    """
    names = [""] * count
    if any(isinstance(band, str) for band in bands):
        if not is_installed("rasterio"):
            raise DataError(
                "KS-D016",
                path,
                "needs the package rasterio, which is not installed",
                "names of bands are read by it",
                fix='pip install "keras-seg[geo]", or give the numbers',
            )
        found = opened_tiff(path, lambda file: file.descriptions) or ()
        names[: len(found)] = [name or "" for name in found]
    known = [name.casefold() for name in names]
    numbers = []
    for band in bands:
        same = [band] if isinstance(band, int) and band <= count else []
        if isinstance(band, str):
            same = [i for i, x in enumerate(known, 1) if x == band.casefold()]
        if len(same) != 1:
            listed = [f"{i} {name}".strip() for i, name in enumerate(names, 1)]
            raise DataError(
                "KS-D017",
                path,
                f"has {len(same) or 'no'} band{'s'[: len(same)]} {band}",
                f"its bands are {', '.join(listed)}",
                fix="name others with bands, on the command line --bands",
            )
        numbers += same
    return numbers


def valid_pixels(path, channels=3, bands=None, page=None):
    """Which pixels of a TIFF have data, see `data_mask`.

    Returns:
        Bool array `(height, width)`, turned by the orientation of the file;
        `None` if all have, for other files and pages of stacks, and if
        `rasterio` is not installed: the file is then read like any image.
    """
    if page is not None:
        return None

    def ask(file):
        numbers = numbers_read(file, channels)
        if bands is not None:
            try:
                numbers = band_numbers(path, bands, file.count)
            except DataError:  # Raised where the image is read.
                return None
        return data_mask(file, numbers)

    valid = opened_tiff(path, ask)
    if valid is None:
        return None
    return oriented(valid, tiff_tags(path).get(ExifTags.Base.Orientation, 1))


def say_void(pixels):
    """A sentence on the pixels without data of each of some images, or "".

    Example:

    >>> say_void([1200, 0, 34])
    '1,234 pixels of 2 images have no data, and are void.'
    """
    some = [count for count in pixels if count]
    images = words.count(len(some), "image")
    said = f"{sum(some):,} pixels of {images} have no data, and are void."
    return said if some else ""


def numbers_read(file, channels):
    """The numbers of the bands that are read for so many channels.

    Three are without alpha; it is a channel of others.
    """
    from rasterio.enums import ColorInterp

    colors = enumerate(file.colorinterp, start=1)
    return [n for n, c in colors if channels != 3 or c != ColorInterp.alpha]


def data_mask(file, numbers, **options):
    """Which pixels of an open file have data in at least one of some bands.

    Others equal the `nodata` of the file, are masked, or are transparent;
    alpha that is read as a band makes nothing transparent.

    Returns:
        Bool array; `None` if all have data.
    """
    from rasterio.enums import ColorInterp
    from rasterio.enums import MaskFlags

    colors = [file.colorinterp[number - 1] for number in numbers]
    whole = {MaskFlags.all_valid}
    whole |= {MaskFlags.alpha} if ColorInterp.alpha in colors else set()
    valid: Any = False
    for number in dict.fromkeys(numbers):
        flags = {*file.mask_flag_enums[number - 1]}
        if whole & flags:
            return None
        valid = valid | (file.read_masks(number, **options) > 0)
        if MaskFlags.per_dataset in flags:  # One mask of all bands.
            break
    return None if valid.all() else valid


def opened_tiff(path, ask):
    """`ask(file)` for an open TIFF; `None` for any other file."""
    is_tiff = pathlib.Path(path).suffix.lower() in (".tif", ".tiff")
    if not is_tiff or not is_installed("rasterio"):
        return None
    import rasterio

    with contextlib.ExitStack() as stack:
        if isinstance(path, RemoteImage):
            path = stack.enter_context(path.open())
        try:
            with open_quietly(path, driver="GTiff") as file:
                return ask(file)
        except rasterio.RasterioIOError:
            return None


def open_quietly(path, *arguments, **options):
    """`rasterio.open` without a warning about a file without a place."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    # Threads open files: `catch_warnings` would mix up their filters.
    quiet = ("ignore", None, NotGeoreferencedWarning, None, 0)
    if quiet not in warnings.filters:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
    return rasterio.open(path, *arguments, **options)
