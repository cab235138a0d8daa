"""Reading of image files."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags
from PIL import ImageOps

from keras_seg import words
from keras_seg.data.arrays import as_16_bits
from keras_seg.data.arrays import is_npy
from keras_seg.data.arrays import needs_tifffile
from keras_seg.data.arrays import npy_shape
from keras_seg.data.arrays import read_npy
from keras_seg.data.arrays import read_tiff
from keras_seg.data.arrays import tiff_size
from keras_seg.data.bands import band_numbers
from keras_seg.data.bands import check_bands
from keras_seg.data.bands import valid_pixels
from keras_seg.data.errors import DataError
from keras_seg.data.opening import opened
from keras_seg.data.opening import rawmode
from keras_seg.data.opening import select_page

__all__ = [
    "check_bit_depth",
    "find_bit_depth",
    "read_image",
    "read_pixels",
    "read_size",
    "scaled",
]


# Pillow keeps the high bytes of 16-bit colors. The unpacker for the other
# byte order gives the low ones; that of four bytes gives both of two channels.
_LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}


def read_image(
    path: str | os.PathLike,
    channels: int | None = 3,
    page: int | None = None,
    bit_depth: int | None = None,
    bands: Sequence[int | str] | None = None,
) -> NDArray:
    """Read an image as viewers show it, turned by its EXIF orientation.

    With 3 channels palettes, gray and CMYK become RGB, alpha is dropped, and
    16 bits become uint8. Otherwise gray is one channel, alpha is a channel,
    and 16 bits become float32. A channel that is neither a color nor alpha,
    such as infrared, is never dropped, but counted. 16-bit values are divided
    by 257, or scaled by `bit_depth`. Floating-point pixels must be 0..255, not
    0..1. Wider and signed integers, whose range is unknown, are refused.

    Pixels of a TIFF without data are 0 in all channels: they equal its nodata
    value in all bands, are masked, or transparent. Needs `keras-seg[geo]`.

    TIFF of more than 4 channels, or of more than 8 bits in several, needs
    `keras-seg[tiff]`. NumPy files are `(height, width)` or
    `(height, width, channels)`.

    Args:
        path: str or path of a PNG, JPEG, TIFF, BMP, WEBP, GIF or NPY file.
        channels: int, the number of channels that the file must have; 3, the
            default, converts to RGB. `None` takes all channels of the file.
        page: optional int, the page of a TIFF stack.
        bit_depth: optional int in 8..16, the bits of the values in 16-bit
            files: 12 scales 0..4095 to 0..255. `None` is 16.
        bands: optional sequence of the bands to read as channels, in this
            order, in place of `channels`: numbers from 1, such as `(4, 3, 2)`,
            or the descriptions of the bands of a TIFF, such as `("nir", "red",
            "green")`. Three are read as RGB is.

    Returns:
        uint8 or float32 array `(height, width, channels)` of 0..255.

    Raises:
        DataError: If the file is missing, damaged, too large or not an image,
            or has other channels or values.
    """
    if channels is not None and (type(channels) is not int or channels < 1):
        raise ValueError(
            "`channels` must be an int of 1 or more, or None. "
            f"Received: channels={channels}"
        )
    check_bit_depth(bit_depth)
    check_bands(bands)
    return read_pixels(path, channels, page, bit_depth, bands)[0]


def read_pixels(path, channels=3, page=None, bit_depth=None, bands=None):
    """The pixels of `read_image`, and what `valid_pixels` returns."""
    pixels, valid = _read(path, channels, page, bands)
    channels = channels if bands is None else len(bands)
    return _fitted(path, pixels, channels, bit_depth), valid


def check_bit_depth(bit_depth):
    """Refuse a bit depth that is neither an int in 8..16 nor `None`."""
    if bit_depth is None or type(bit_depth) is int and 8 <= bit_depth <= 16:
        return
    raise ValueError(
        f"`bit_depth` must be an int of 8..16. Received: bit_depth={bit_depth}"
    )


def find_bit_depth(files, bands=None):
    """The bit depth that fits the largest value of all 16-bit files.

    Args:
        files: iterable of tuples (path, page).
        bands: optional sequence, see `read_image`.

    Returns:
        int, one of 8, 10, 12, 14 and 16, the depths of cameras and scanners;
        `None` if no file has 16 bits.
    """
    largest = None
    for path, page in files:
        if not _is_deep(path, page):
            continue
        pixels, _ = _read(path, None, page, bands)
        if pixels.dtype.newbyteorder("=") == np.uint16:
            largest = max(largest or 0, int(pixels.max()))
    if largest is None:
        return None
    return next(bits for bits in (8, 10, 12, 14, 16) if largest < 2**bits)


def _is_deep(path, page):
    """Whether a file may have 16 bits, from its header."""
    if is_npy(path) or needs_tifffile(path, page):
        return True
    with opened(path) as image:
        return "16" in (rawmode(image) or "")


def _read(path, channels, page, bands):
    """Pixels of the file's own dtype, 0 without data, and which have data."""
    if bands is not None:
        channels = None
    pixels = _read_all(path, channels, page)
    if bands is not None:
        numbers = band_numbers(path, bands, pixels.shape[2])
        pixels = pixels[..., [number - 1 for number in numbers]]
    valid = valid_pixels(path, channels, bands, page)
    if valid is not None:
        pixels = np.where(valid[..., None], pixels, pixels.dtype.type(0))
    return pixels, valid


def _read_all(path, channels, page):
    """Pixels of the file's own dtype, as RGB if `channels` is 3."""
    if is_npy(path):
        pixels = read_npy(path)
        return pixels[..., None] if pixels.ndim == 2 else pixels
    if needs_tifffile(path, page):
        return read_tiff(path, page, alpha=channels != 3)
    if channels == 3:
        return _read_rgb(path, page)
    return _read_channels(path, page)


def read_size(path, page=None):
    """(height, width) of an upright image, from the file's header."""
    if is_npy(path):
        return npy_shape(path)[:2]
    if needs_tifffile(path, page):
        return tiff_size(path, page)
    with opened(path) as image:
        if page is not None:
            select_page(path, image, page)
        width, height = image.size
        # Pillow turns the size of a TIFF by itself.
        turned = image.format != "TIFF" and (
            image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        )
    return (width, height) if turned else (height, width)


def _read_rgb(path, page):
    with opened(path) as image:
        raw = rawmode(image)
        if raw in _LOW_BYTES:
            deep = _read_channels(path, page)
            return deep[..., : 1 if raw == "LA;16B" else 3]
        select_page(path, image, page)
        # Upright, or already RGB, it would be copied otherwise.
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode == "F":
            raise DataError(
                "KS-D009",
                path,
                "has floating-point pixels",
                "an image has 8 or 16 bits a channel",
                fix="scale it to 0..255 and save it as an 8-bit PNG",
            )
        if image.mode.startswith("I"):
            return _gray_of_16_bits(image, raw)
        if image.mode in ("P", "PA"):  # a palette's alpha warns on "RGB"
            image = image.convert("RGBA")
        if image.mode != "RGB":
            image = image.convert("RGB")
        return np.array(image)


def _read_channels(path, page):
    """All channels of a file, in its own bit depth."""
    with opened(path) as image:
        select_page(path, image, page)
        raw = rawmode(image)
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            return _gray_of_16_bits(image, raw)
        high = np.asarray(_plain(image))
    if high.ndim == 2:
        high = high[..., None]
    if raw not in _LOW_BYTES:
        return high
    with opened(path) as image:
        image.tile = [image.tile[0]._replace(args=_LOW_BYTES[raw])]
        low = np.asarray(ImageOps.exif_transpose(image))
    if raw == "LA;16B":
        high, low = low[..., ::2], low[..., 1::2]
    return high.astype("uint16") << 8 | low


def _gray_of_16_bits(image, raw):
    """16-bit gray as uint16, which Pillow may hold in 32 bits."""
    pixels = np.asarray(image)[..., None]
    if raw == "I;12":
        return as_16_bits(pixels, 12)
    fits = "16" in (raw or "") and not (raw or "").endswith("S")
    return pixels.astype("uint16") if fits else pixels


def _plain(image):
    """The image as gray or RGB, with or without alpha."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("P", "PA"):
        transparent = image.mode == "PA" or "transparency" in image.info
        return image.convert("RGBA" if transparent else "RGB")
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        return image.convert("RGB")
    return image


def _fitted(path, pixels, channels, bit_depth=None):
    """Pixels of any dtype as 0..255, in the required channels."""
    count = pixels.shape[2]
    if channels == 3 and count == 1:
        pixels, count = np.repeat(pixels, 3, axis=2), 3
    if channels is not None and count != channels:
        raise DataError(
            "KS-D017",
            path,
            f"has {words.count(count, 'channel')}",
            f"{channels} are asked for",
            fix=f"read the data with channels={count}"
            + ", or name bands, such as --bands 3,2,1" * (count > channels),
        )
    native = pixels.dtype.newbyteorder("=")  # ">u2" is no np.uint16
    pixels = pixels.astype(native, copy=False)
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if pixels.dtype == bool:
        return pixels.astype("uint8") * np.uint8(255)
    if pixels.dtype == np.uint16:
        return scaled(path, pixels, channels, bit_depth)
    low, high = pixels.min(), pixels.max()
    fits = 0 <= low and high <= 255 and not 0 < high <= 1
    if pixels.dtype.kind != "f" or not fits:
        raise DataError(
            "KS-D017",
            path,
            f"has {pixels.dtype} pixels from {low} to {high}",
            "pixels are uint8, uint16, or floats of 0..255",
            guess=(
                "They are scaled to 0..1, and would be seen as black."
                if 0 < high <= 1 and low >= 0
                else None
            ),
            fix="scale them to 0..255 and save them as uint8",
        )
    return pixels.astype("float32")


def scaled(path, pixels, channels, bit_depth):
    """Scale uint16 values to 0..255: uint8 for 3 channels, else float32.

    A value of more than `bit_depth` bits, by default 16, is a `DataError`.
    """
    bit_depth = bit_depth or 16
    most, largest = 2**bit_depth - 1, int(pixels.max())
    if largest > most:
        raise DataError(
            "KS-D017",
            path,
            f"has the value {largest}",
            f"16-bit files are read as {bit_depth} bits here, 0..{most}",
            guess="The other images were taken or scaled otherwise.",
            fix="scale it as the others, or name the bits that all of them "
            "have with bit_depth, on the command line --bit-depth",
        )
    if channels == 3:
        return (pixels.astype("uint32") * 255 // most).astype("uint8")
    return pixels * np.float32(255 / most)
