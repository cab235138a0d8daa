"""Reading of mask files, as class ids or as colors that code classes."""

import os

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from keras_seg.data.arrays import is_npy
from keras_seg.data.arrays import needs_tifffile
from keras_seg.data.arrays import read_npy
from keras_seg.data.arrays import read_tiff
from keras_seg.data.arrays import tiff_tags
from keras_seg.data.errors import DataError
from keras_seg.data.opening import opened
from keras_seg.data.opening import rawmode
from keras_seg.data.opening import select_page

__all__ = ["has_colors", "read_colors", "read_mask", "read_palette"]

_ID_MODES = ("L", "P", "1", "I", "I;16", "I;16L", "I;16B", "I;16N")
_COLOR_MODES = ("RGB", "RGBA", "RGBX", "PA")
_COLOR_MAP = 320  # a tag of TIFF

# Pillow stretches gray pixels of 2 and 4 bits to 0..255, and inverts those in
# which 0 is white; ids must stay as they were written.
_STRETCH = {"2": 85, "4": 17}


def read_mask(path: str | os.PathLike, page: int | None = None) -> NDArray:
    """Read a mask as the class ids that were written.

    One channel is read as stored: gray of 1 to 16 bits, even if 0 stands for
    white, and palettes as indices, not as colors (`read_palette`). Programs
    that write GIF number its colors anew, so a GIF of grays has these for
    ids, and any other GIF has colors. The mask is turned by its own EXIF
    orientation; one that was drawn over the upright image has none.

    Args:
        path: str or path of a PNG, TIFF, BMP, GIF or NPY file.
        page: optional int, the page of a TIFF stack.

    Returns:
        Integer array `(height, width)`.

    Raises:
        DataError: If the file is missing, damaged, too large or a JPEG, or
            has colors or fractions instead of ids.
    """
    if is_npy(path):
        return _ids_of_array(path, read_npy(path))
    if needs_tifffile(path, page):
        return _ids_of_array(path, read_tiff(path, page, shown=False))
    with opened(path) as image:
        select_page(path, image, page)
        _refuse_jpeg(path, image)
        raw = rawmode(image)
        ImageOps.exif_transpose(image, in_place=True)
        image = _without_alpha(image)
        if image.mode not in _ID_MODES:
            raise _not_ids(path, image)
        if _is_gif(image):
            image = image.convert("RGB" if _is_colored(image) else "L")
            if image.mode == "RGB":
                raise _not_ids(path, image)
        ids = np.array(image)
        kind, _, flags = (raw or "").partition(";")
        if kind in ("L", "1") and "I" in flags:
            ids = ~ids
        if ids.dtype == bool:
            return ids.astype("uint8")
        stretch = _STRETCH.get(flags[:1], 1) if kind == "L" else 1
        return ids // np.array(stretch, ids.dtype)


def read_palette(path, page=None):
    """The palette of a mask file, uint8 `(entries, 3)`.

    `None` if there is none, or one of all grays in order.
    """
    if is_npy(path):
        return None
    # Of 64 bits, for example, which Pillow does not open.
    if needs_tifffile(path, page) and _COLOR_MAP not in tiff_tags(path):
        return None
    with opened(path) as image:
        select_page(path, image, page)
        if image.mode != "P" or _is_gif(image):
            return None
        palette = _palette(image)
        grays = np.arange(len(palette), dtype="uint8")[:, None]
        return None if (palette == grays).all() else palette


def _is_gif(image):
    return image.format == "GIF" and image.mode == "P"


def _palette(image):
    return np.array(image.getpalette("RGB"), "uint8").reshape(-1, 3)


def _is_colored(image):
    palette = _palette(image)
    return bool((palette != palette[:, :1]).any())


def has_colors(path):
    """Whether a mask has colors instead of one channel, from its header."""
    if is_npy(path):
        return False
    if needs_tifffile(path):
        return tiff_tags(path).get(277, 1) >= 3
    with opened(path) as image:
        colored = _is_gif(image) and _is_colored(image)
        return colored or image.mode in _COLOR_MODES


def read_colors(path, page=None):
    """Read a mask that codes classes as colors, uint8 `(height, width, 3)`.

    Palettes and grays become their colors, and the mask is turned by its own
    EXIF orientation. JPEG, more than 8 bits a channel and transparency are
    refused with a `DataError`.
    """
    if needs_tifffile(path, page):
        pixels = read_tiff(path, page)
        if pixels.dtype == np.uint8 and pixels.shape[2] in (1, 3):
            return np.repeat(pixels, 3 // pixels.shape[2], axis=2)
        raise DataError(
            "KS-D007",
            path,
            f"has {pixels.dtype} values of the shape {pixels.shape}",
            "class colors have red, green and blue of 0..255",
            fix="save the mask with three channels of 8 bits",
        )
    with opened(path) as image:
        select_page(path, image, page)
        _refuse_jpeg(path, image)
        if "16" in (rawmode(image) or "") or image.mode in ("I", "F"):
            raise DataError(
                "KS-D007",
                path,
                "has colors of more than 8 bits a channel",
                "class colors have red, green and blue of 0..255",
                fix="save the mask with 8 bits a channel",
            )
        image = _without_alpha(ImageOps.exif_transpose(image))
        if image.mode in ("RGBA", "LA", "PA"):
            raise DataError(
                "KS-D007",
                path,
                "is transparent in places",
                "a mask has one color for each class, and is opaque",
                fix="flatten the mask onto the color of its background",
            )
        return np.array(image.convert("RGB"))


def _ids_of_array(path, ids):
    if ids.ndim == 3 and ids.shape[2] == 1:
        ids = ids[..., 0]
    if ids.dtype == bool:
        return ids.astype("uint8")
    if ids.ndim == 2 and ids.dtype.kind in "iu":
        return ids
    raise DataError(
        "KS-D007",
        path,
        f"has {ids.dtype} values of the shape {ids.shape}",
        "a mask has one channel of integer class ids",
        fix="save an integer array (height, width)",
    )


def _refuse_jpeg(path, image):
    lossy = image.info.get("compression") in ("jpeg", "tiff_jpeg")
    if image.format in ("JPEG", "MPO") or lossy:
        raise DataError(
            "KS-D008",
            path,
            "is compressed as JPEG" if lossy else "is a JPEG",
            "a mask must be stored without loss, as a PNG",
            guess="JPEG invents ids along every edge.",
            fix="export the masks again from their source as index PNG",
        )


def _without_alpha(image):
    """An image without its alpha channel if this is 255 everywhere."""
    if image.mode in ("LA", "RGBA", "PA"):
        if image.getchannel("A").getextrema() == (255, 255):
            return image.convert("L" if image.mode == "LA" else "RGB")
    return image


def _not_ids(path, image):
    if image.mode == "F":
        return DataError(
            "KS-D007",
            path,
            "has floating-point pixels",
            "a mask has one channel of integer class ids",
            fix="save the ids as integers in a single-channel PNG",
        )
    pixels = np.array(image.convert("RGB"))
    colors = np.unique(pixels.reshape(-1, 3), axis=0)
    if (colors == colors[:, :1]).all():
        guess = "The channels are equal: a gray mask was saved as color."
        fix = (
            "keep one channel, for example "
            "Image.open(mask).getchannel(0).save(mask)"
        )
    else:
        listed = ", ".join(str(tuple(c)) for c in colors[:4].tolist())
        dots = ", ..." if len(colors) > 4 else ""
        guess = f"The classes look coded as colors: {listed}{dots}."
        fix = (
            "give every class its color in the columns r, g and b of "
            "classes.csv, or replace every color by its id"
        )
    return DataError(
        "KS-D007",
        path,
        f"has mode {image.mode} with {len(colors)} different colors",
        "a mask has one channel of class ids, or colors that classes.csv names",
        guess=guess,
        fix=fix,
    )
