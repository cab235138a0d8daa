"""Image and mask files to arrays."""

import numpy as np
from PIL import ImageOps

from keras_seg.data.arrays import is_npy
from keras_seg.data.arrays import needs_tifffile
from keras_seg.data.arrays import npy_shape
from keras_seg.data.arrays import read_npy
from keras_seg.data.arrays import read_tiff
from keras_seg.data.arrays import tiff_size
from keras_seg.data.errors import DataError
from keras_seg.data.opening import opened
from keras_seg.data.opening import rawmode
from keras_seg.data.opening import select_page

__all__ = ["read_image", "read_size"]

_ORIENTATION = 0x0112  # the EXIF tag; values 5..8 exchange the sides

# Pillow keeps the high bytes of 16-bit colours. The unpacker for the other
# byte order gives the low ones; that of four bytes gives both of two channels.
_LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}


def read_image(path, channels=3, page=None):
    """Read an image, the way a viewer shows it.

    The EXIF orientation is applied. With 3 channels palettes, grey and CMYK
    become RGB, alpha is dropped, and 16 bits become 8 by dividing by 257.
    Otherwise grey is one channel, alpha is a channel, and 16 bits become
    float32 by dividing by 257. Floating-point pixels are taken as they are,
    and must be 0..255. Wider and signed integers are refused: their range is
    not known.

    TIFF of more than 4 channels, or of more than 8 bits in several, needs
    `keras-seg[tiff]`. NumPy files are `(height, width)` or
    `(height, width, channels)`.

    Args:
        path: str or path of a PNG, JPEG, TIFF, BMP, WEBP or NPY file.
        channels: int, the number of channels that the file must have; 3, the
            default, is RGB whatever it has. `None` takes what there is.
        page: optional int, the page of a TIFF stack.

    Returns:
        uint8 or float32 array `(height, width, channels)` of 0..255.

    Raises:
        DataError: the file is missing, damaged, too large, holds no image,
            or has other channels or values.
    """
    if channels is not None and (type(channels) is not int or channels < 1):
        raise ValueError(
            "`channels` must be an int of 1 or more, or None. "
            f"Received: channels={channels}"
        )
    if is_npy(path):
        pixels = read_npy(path)
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    elif needs_tifffile(path, exact=channels != 3):
        pixels = read_tiff(path, page)
    elif channels == 3:
        return _read_rgb(path, page)
    else:
        pixels = _read_channels(path, page)
    return _fitted(path, pixels, channels)


def read_size(path, page=None):
    """Height and width, from the header alone, orientation applied.

    Args:
        path: str or path of an image or a mask.
        page: optional int, the page of a TIFF stack.

    Returns:
        Tuple `(height, width)`.
    """
    if is_npy(path):
        return npy_shape(path)[:2]
    if needs_tifffile(path, exact=False):
        return tiff_size(path, page)
    with opened(path) as image:
        if page is not None:
            select_page(path, image, page)
        width, height = image.size
        # Pillow turns the size of a TIFF by itself.
        turned = image.format != "TIFF" and (
            image.getexif().get(_ORIENTATION, 1) >= 5
        )
    return (width, height) if turned else (height, width)


def _read_rgb(path, page):
    with opened(path) as image:
        select_page(path, image, page)
        raw = rawmode(image)
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
            return _fitted(path, _grey_of_16_bits(image, raw), 3)
        if image.mode in ("P", "PA"):  # a palette's alpha warns on "RGB"
            image = image.convert("RGBA")
        if image.mode != "RGB":
            image = image.convert("RGB")
        return np.array(image)


def _read_channels(path, page):
    """All channels of a file, in the bits that it has."""
    with opened(path) as image:
        select_page(path, image, page)
        raw = rawmode(image)
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            return _grey_of_16_bits(image, raw)
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


def _grey_of_16_bits(image, raw):
    """Pillow may hold 16 bits in 32; those of a 32-bit file stay as such."""
    pixels = np.asarray(image)[..., None]
    fits = "16" in (raw or "") and pixels.min() >= 0
    return pixels.astype("uint16") if fits else pixels


def _plain(image):
    """Grey, RGB, or either with alpha: no palette, ink or single bits."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("P", "PA"):
        transparent = image.mode == "PA" or "transparency" in image.info
        return image.convert("RGBA" if transparent else "RGB")
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        return image.convert("RGB")
    return image


def _fitted(path, pixels, channels):
    """Pixels of any dtype as 0..255, in the channels that are asked for."""
    count = pixels.shape[2]
    if channels == 3 and count == 1:
        pixels, count = np.repeat(pixels, 3, axis=2), 3
    if channels is not None and count != channels:
        raise DataError(
            "KS-D017",
            path,
            "has 1 channel" if count == 1 else f"has {count} channels",
            f"{channels} are asked for",
            fix=f"read the data with channels={count}",
        )
    native = pixels.dtype.newbyteorder("=")  # ">u2" is no np.uint16
    pixels = pixels.astype(native, copy=False)
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if pixels.dtype == bool:
        return pixels.astype("uint8") * np.uint8(255)
    if pixels.dtype == np.uint16 and channels == 3:
        return (pixels // 257).astype("uint8")
    if pixels.dtype == np.uint16:
        return pixels / np.float32(257)
    low, high = pixels.min(), pixels.max()
    if pixels.dtype.kind != "f" or not (0 <= low and high <= 255):
        raise DataError(
            "KS-D017",
            path,
            f"has {pixels.dtype} pixels from {low} to {high}",
            "pixels are uint8, uint16, or floats of 0..255",
            fix="scale them to 0..255 and save them as uint8",
        )
    return pixels.astype("float32")
