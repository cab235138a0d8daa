"""Pixels that Pillow cannot hold: NumPy files, TIFF of many channels or with
blocks that were never written."""

import pathlib

import numpy as np
from PIL import TiffImagePlugin

from keras_seg.data.errors import DataError
from keras_seg.data.opening import check_page
from keras_seg.data.opening import guarded
from keras_seg.data.opening import opened
from keras_seg.data.opening import page_frames
from keras_seg.data.opening import refuse_large

__all__ = [
    "is_npy",
    "needs_tifffile",
    "npy_shape",
    "read_npy",
    "read_tiff",
    "tiff_pages",
    "tiff_size",
]

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are BigTIFF
_ORIENTATION = 274
_SAMPLES, _BITS, _PLANES = 277, 258, 284
_BYTE_COUNTS = 279, 325  # of strips and of tiles
_WHITE_IS_ZERO, _PALETTE = 0, 3


def is_npy(path):
    """Whether a file is a NumPy array, by its suffix."""
    return pathlib.Path(path).suffix.lower() == ".npy"


def npy_shape(path):
    """The shape of the array in a NumPy file, from its header."""
    return _mapped(path).shape


def read_npy(path):
    """Read a NumPy array of pixels; pickled objects are never loaded.

    Args:
        path: str or path.

    Returns:
        Array `(height, width)` or `(height, width, channels)`.

    Raises:
        DataError: the file is damaged, too large, or of another shape.
    """
    with guarded(path):
        return np.array(_mapped(path))


def needs_tifffile(path, exact):
    """Whether a file is a TIFF that Pillow does not open in full.

    Args:
        path: str or path.
        exact: bool, whether 16-bit colours must keep their low bits.

    Returns:
        bool.
    """
    with guarded(path):
        with open(path, "rb") as file:
            if file.read(4) not in _TIFF:
                return False
        try:
            with TiffImagePlugin.TiffImageFile(path) as image:
                samples = image.tag_v2.get(_SAMPLES, 1)
                bits = max(image.tag_v2.get(_BITS, (1,)))
                planes = image.tag_v2.get(_PLANES, 1) == 2
                # GDAL leaves out what it has nothing to write in, and Pillow
                # gives what is elsewhere in the file in its place.
                if any(0 in image.tag_v2.get(t, ()) for t in _BYTE_COUNTS):
                    return True
                if samples == 1:
                    return False
                if bits > 8:  # Pillow mixes up 16-bit planes
                    return exact or planes
                return exact and samples != len(image.getbands())
        # A mode that Pillow has no name for.
        except (SyntaxError, ValueError):
            return True


def read_tiff(path, page=None, shown=True):
    """Read one page of a TIFF of any number of channels, with tifffile.

    Args:
        path: str or path.
        page: optional int; `None` wants a file of one page.
        shown: bool, the pixels as a viewer shows them, through the palette
            and with white for 0 where the file says so, or else the values
            that are stored. Blocks that were never written are 0, or what
            the file has for no data.

    Returns:
        Array `(height, width, channels)`, the orientation applied.

    Raises:
        DataError: tifffile is not installed, or the file is damaged.
    """
    with guarded(path), _tifffile(path).TiffFile(path) as file:
        sheet = _page(path, file, page)
        try:
            pixels = sheet.asarray()
        except ValueError as error:
            if "imagecodecs" in str(error):
                raise _missing(path, "imagecodecs", "imagecodecs") from error
            raise
        if len(sheet.axes) != pixels.ndim or not pixels.size:
            raise ValueError(f"pixels of the shape {pixels.shape}")
        if sheet.axes == "SYX":
            pixels = np.moveaxis(pixels, 0, -1)
        elif sheet.axes == "YX":
            pixels = pixels[..., None]
        elif sheet.axes != "YXS":
            raise DataError(
                "KS-D017",
                path,
                f"has pages with the axes {sheet.axes}",
                "height, width and channels are expected",
                fix="save one plane as a TIFF of its own",
            )
        if shown and sheet.photometric == _PALETTE:
            pixels = (sheet.colormap.T >> 8).astype("uint8")[pixels[..., 0]]
        elif shown and sheet.photometric == _WHITE_IS_ZERO:
            pixels = _inverted(path, pixels)
        return _oriented(pixels, _orientation(sheet))


def tiff_size(path, page=None):
    """Height and width of one page, from the header, orientation applied."""
    with guarded(path), _tifffile(path).TiffFile(path) as file:
        sheet = _page(path, file, page)
        size = (sheet.imagelength, sheet.imagewidth)
        return size[::-1] if _orientation(sheet) >= 5 else size


def tiff_pages(path):
    """The number of pages of a TIFF."""
    if needs_tifffile(path, exact=False):
        with guarded(path), _tifffile(path).TiffFile(path) as file:
            return len(_pages(file))
    with opened(path) as image:
        return len(page_frames(image))


def _mapped(path):
    with guarded(path):
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    plain = isinstance(pixels, np.ndarray) and pixels.ndim in (2, 3)
    if not plain or not pixels.size:
        raise DataError(
            "KS-D017",
            path,
            f"has the shape {getattr(pixels, 'shape', '(none)')}",
            "(height, width) or (height, width, channels) is expected, each 1 "
            "or more",
            fix="save one image in each file",
        )
    refuse_large(path, pixels.shape[0] * pixels.shape[1])
    return pixels


def _page(path, file, page):
    pages = _pages(file)
    check_page(path, page, len(pages))
    sheet = pages[page or 0]
    refuse_large(path, sheet.imagewidth * sheet.imagelength)
    return sheet


def _pages(file):
    """The pages without overviews and masks, as `page_frames` has them."""
    pages = [page for page in file.pages if not page.subfiletype & 0b101]
    return pages or list(file.pages)


def _inverted(path, pixels):
    if pixels.dtype.kind != "u":
        raise DataError(
            "KS-D017",
            path,
            f"has {pixels.dtype} pixels in which 0 is white",
            "such pixels are unsigned integers",
            fix="save the image with black for 0",
        )
    return np.iinfo(pixels.dtype).max - pixels


def _orientation(sheet):
    tag = sheet.tags.get(_ORIENTATION)
    return int(tag.value) if tag and 1 <= tag.value <= 8 else 1


def _oriented(pixels, orientation):
    """What the eight values of the tag mean (TIFF 6.0, page 36)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _tifffile(path):
    try:
        import tifffile
    except ImportError as error:
        raise _missing(path, "tifffile", '"keras-seg[tiff]"') from error
    return tifffile


def _missing(path, package, install):
    return DataError(
        "KS-D016",
        path,
        f"needs the package {package}, which is not installed",
        "TIFF of more than 4 channels, of more than 8 bits in several, or "
        "with blocks that were never written is read with tifffile",
        fix=f"pip install {install}, if the file is whole",
    )
