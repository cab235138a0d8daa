"""Reading of files that Pillow cannot read: NumPy's, and some TIFFs."""

import pathlib
import zipfile
from typing import Any

import numpy as np
from PIL import ExifTags
from PIL import TiffImagePlugin

from keras_seg.data.errors import DataError
from keras_seg.data.opening import check_page
from keras_seg.data.opening import guarded
from keras_seg.data.opening import opened
from keras_seg.data.opening import page_frames
from keras_seg.data.opening import refuse_large

__all__ = [
    "as_16_bits",
    "is_npy",
    "needs_tifffile",
    "npy_shape",
    "oriented",
    "read_npy",
    "read_npz",
    "read_tiff",
    "tiff_pages",
    "tiff_size",
    "tiff_tags",
]

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are BigTIFF
_SAMPLES, _BITS, _FORMAT, _PHOTO, _TILE = 277, 258, 339, 262, 322
_COMPRESSION = 259
_ALPHA = 1, 2  # of ExtraSamples: the colors multiplied by it, or not
_BYTE_COUNTS = 279, 325  # of strips and of tiles
_WHITE_IS_ZERO, _PALETTE = 0, 3


def is_npy(path):
    """Whether a file is a NumPy array, by its suffix."""
    return pathlib.Path(path).suffix.lower() == ".npy"


def npy_shape(path):
    """The shape of the array in a NumPy file, from its header."""
    return _mapped(path).shape


def read_npy(path):
    """Read an array `(height, width)` or `(height, width, channels)`.

    Pickled objects and other shapes are a `DataError`.
    """
    with guarded(path):
        return np.array(_mapped(path))


def read_npz(path):
    """Read the only array of a `.npz` file, see `read_npy`."""
    with guarded(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) == 1:
            with archive.open(names[0]) as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(file)
            _check_array(path, shape, dtype)
            with archive.open(names[0]) as file:
                return np.lib.format.read_array(file, allow_pickle=False)
    raise DataError(
        "KS-D017",
        path,
        f"has {len(names)} arrays",
        "one array (height, width, classes) is expected",
        fix="save one array, with numpy.savez_compressed(path, stack)",
    )


def needs_tifffile(path, page=None):
    """Whether Pillow would misread a page of a TIFF, or not read it."""
    with guarded(path):
        with open(path, "rb") as file:
            magic = file.read(4)
        if magic not in _TIFF:
            return False
        try:
            image: Any
            with TiffImagePlugin.TiffImageFile(path) as image:
                frames = page_frames(image)
                if 0 <= (page or 0) < len(frames):
                    image.seek(frames[page or 0])
                tags = image.tag_v2  # type: ignore[attr-defined]
                samples = tags.get(_SAMPLES, 1)
                bits = max(tags.get(_BITS, (1,)))
                bands = len(image.getbands())
        # A mode that Pillow has no name for.
        except (SyntaxError, ValueError):
            return True
        # Blocks that GDAL never wrote: Pillow reads other bytes of the file.
        if any(0 in tags.get(tag, ()) for tag in _BYTE_COUNTS):
            return True
        if samples > 1:
            # Pillow keeps only the high bytes of colors, and drops channels
            # without a meaning.
            return bits > 8 or samples != bands
        # Pillow reads signed bytes as unsigned, garbles other signed values
        # and floats in tiles or where it swaps their bytes a second time, and
        # takes a deep white 0 for black.
        kinds = set(tags.get(_FORMAT, (1,)))
        swapped = magic[:2] == b"MM" and tags.get(_COMPRESSION, 1) != 1
        floats = kinds == {3} and _TILE not in tags and not swapped
        deep_white = bits > 8 and tags.get(_PHOTO) == 0
        return not (floats or kinds == {1}) or deep_white


def as_16_bits(pixels, bits):
    """Scale uint16 values of 9 to 16 bits to 16 bits, rounded."""
    most = 2**bits - 1
    return ((pixels.astype("uint32") * 65535 + most // 2) // most).astype(
        "uint16"
    )


def tiff_tags(path):
    """The tags of a TIFF's first page, by number."""
    with guarded(path), open(path, "rb") as file:
        header = file.read(8)
        header += file.read(8) if header[2] == 43 else b""  # BigTIFF
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)
        return dict(tags)


def read_tiff(path, page=None, shown=True, alpha=True):
    """Read one page of a TIFF of any number of channels with tifffile.

    Args:
        path: str or path.
        page: optional int; `None` requires a file of one page.
        shown: bool, whether to apply the palette, invert values if 0 is
            white, and scale 9 to 15 bits to 16. Otherwise values are as
            stored. Blocks that were never written are 0, or the file's value
            for no data.
        alpha: bool, whether to keep alpha as a channel.

    Returns:
        Array `(height, width, channels)`, turned by its orientation.
    """
    with guarded(path), _tifffile(path).TiffFile(path) as file:
        sheet = _page(path, file, page)
        try:
            pixels = sheet.asarray()
        except (ValueError, NotImplementedError) as error:
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
        bits = sheet.bitspersample
        if shown and pixels.dtype == np.uint16:
            pixels = as_16_bits(pixels, bits)
        if not alpha:
            extra = sheet.extrasamples
            if 1 in extra:
                raise DataError(
                    "KS-D017",
                    path,
                    "has colors that are multiplied by alpha",
                    "colors are read as they are, and alpha is dropped",
                    fix="save it without alpha",
                )
            first = sheet.samplesperpixel - len(extra)
            kept = [first + i for i, e in enumerate(extra) if e not in _ALPHA]
            pixels = pixels[..., [*range(first), *kept]] if extra else pixels
        return oriented(pixels, _orientation(sheet))


def tiff_size(path, page=None):
    """Height and width of one upright page, from the header."""
    with guarded(path), _tifffile(path).TiffFile(path) as file:
        sheet = _page(path, file, page)
        size = (sheet.imagelength, sheet.imagewidth)
        return size[::-1] if _orientation(sheet) >= 5 else size


def tiff_pages(path):
    """The number of pages of a TIFF."""
    if needs_tifffile(path):
        with guarded(path), _tifffile(path).TiffFile(path) as file:
            return len(_pages(file))
    with opened(path) as image:
        return len(page_frames(image))


def _mapped(path):
    with guarded(path):
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    plain = isinstance(pixels, np.ndarray)  # not the arrays of an NPZ file
    _check_array(path, *((pixels.shape, pixels.dtype) if plain else ((), None)))
    return pixels


def _check_array(path, shape, dtype):
    """Refuse an array that is no image, from its header."""
    if len(shape) not in (2, 3) or not min(shape):
        raise DataError(
            "KS-D017",
            path,
            f"has the shape {shape or '(none)'}",
            "(height, width) or (height, width, channels) is expected, each 1 "
            "or more",
            fix="save one image in each file",
        )
    if dtype.kind not in "biuf":
        raise DataError(
            "KS-D017",
            path,
            f"has values of the type {str(dtype):.60}",
            "pixels are booleans, integers or floats",
            fix="save one plain array of numbers",
        )
    refuse_large(path, shape[0] * shape[1], *shape[2:])


def _page(path, file, page):
    pages = _pages(file)
    check_page(path, page, len(pages))
    sheet = pages[page or 0]
    pixels = sheet.imagewidth * sheet.imagelength
    refuse_large(path, pixels, sheet.samplesperpixel)
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
    tag = sheet.tags.get(ExifTags.Base.Orientation)
    return int(tag.value) if tag and 1 <= tag.value <= 8 else 1


def oriented(pixels, orientation):
    """Apply one of the eight orientations (TIFF 6.0, page 36)."""
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
