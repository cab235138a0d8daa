"""Image and mask files to arrays, with Pillow."""

import contextlib
import pathlib

import numpy as np
from PIL import Image
from PIL import ImageOps
from PIL import UnidentifiedImageError

from keras_seg.data.errors import DataError

__all__ = ["FORMATS", "SUFFIXES", "read_image", "read_mask", "read_size"]

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")

_MASK_MODES = ("L", "P", "1", "I", "I;16", "I;16L", "I;16B", "I;16N")
_ORIENTATION = 0x0112  # the EXIF tag; values 5..8 exchange the sides

# Pillow stretches grey pixels of 2 and 4 bits to 0..255; ids must stay as
# they were written.
_STRETCH = {"L;2": 85, "L;4": 17}


def read_image(path):
    """Read an image as RGB, the way a viewer shows it.

    The EXIF orientation is applied, palettes and grey become RGB, alpha is
    dropped, and 16 bits become 8 by dividing by 257.

    Args:
        path: str or path of a PNG, JPEG, TIFF, BMP or WEBP file.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        DataError: the file is missing, damaged, too large, or holds no image.
    """
    with _opened(path) as image:
        _refuse_stack(path, image)
        image = ImageOps.exif_transpose(image)
        if image.mode == "F":
            raise DataError(
                "KS-D009",
                path,
                "has floating-point pixels",
                "an image has 8 or 16 bits a channel",
                fix="scale it to 0..255 and save it as an 8-bit PNG",
            )
        if image.mode.startswith("I"):
            values = np.asarray(image).clip(0, 65535) // 257
            return np.repeat(values.astype("uint8")[..., None], 3, axis=-1)
        if image.mode in ("P", "PA"):  # a palette's alpha warns on "RGB"
            image = image.convert("RGBA")
        return np.array(image.convert("RGB"))


def read_mask(path):
    """Read a mask as the class ids that were written.

    One channel is read as it is: grey of 1 to 16 bits, and palettes as
    indices, never through their colours.

    Args:
        path: str or path of a PNG, TIFF or BMP file.

    Returns:
        Integer array `(height, width)`.

    Raises:
        DataError: the file is missing, damaged or too large, is a JPEG, or
            has colours or fractions instead of ids.
    """
    with _opened(path) as image:
        if image.format in ("JPEG", "MPO"):
            raise DataError(
                "KS-D008",
                path,
                "is a JPEG",
                "a mask must be stored without loss, as a PNG",
                guess="JPEG invents ids along every edge.",
                fix="export the masks again from their source as index PNG",
            )
        _refuse_stack(path, image)
        rawmode = _rawmode(image)
        image = ImageOps.exif_transpose(image)
        if image.mode not in _MASK_MODES:
            raise _not_ids(path, image)
        ids = np.array(image)
        if ids.dtype == bool:
            return ids.astype("uint8")
        return ids // np.array(_STRETCH.get(rawmode, 1), ids.dtype)


def read_size(path):
    """Height and width, from the header alone, orientation applied.

    Args:
        path: str or path of an image or a mask.

    Returns:
        Tuple `(height, width)`.
    """
    with _opened(path) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION, 1) >= 5
    return (width, height) if turned else (height, width)


@contextlib.contextmanager
def _opened(path):
    """Open an image; whatever goes wrong inside names the file."""
    path = pathlib.Path(path)
    allowed = "a complete PNG, JPEG, TIFF, BMP or WEBP file is expected"
    if not path.is_file():
        raise DataError(
            "KS-D009", path, "does not exist", allowed, fix="correct the path"
        )
    try:
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except (DataError, MemoryError):
        raise
    except (
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise DataError(
            "KS-D009",
            path,
            "has too many pixels to be opened safely",
            f"at most {2 * (Image.MAX_IMAGE_PIXELS or 0)} are read",
            fix="cut it into tiles",
        ) from error
    # Decoders raise whatever they like at a damaged file: OSError,
    # SyntaxError, ValueError, struct.error, zlib.error, EOFError.
    except Exception as error:
        unknown = isinstance(error, UnidentifiedImageError)
        raise DataError(
            "KS-D009",
            path,
            f"is {'not an image' if unknown else 'incomplete or damaged'} "
            f"({path.stat().st_size} bytes)",
            allowed,
            fix="copy the file again from its source, or remove it",
        ) from error


def _refuse_stack(path, image):
    pages = getattr(image, "n_frames", 1)
    if image.format == "TIFF" and pages > 1:
        raise DataError(
            "KS-D009",
            path,
            f"is a stack of {pages} pages",
            "one image in a file is expected",
            fix="save each page as a PNG of its own",
        )


def _rawmode(image):
    """How the pixels lie in the file; known only until they are decoded."""
    arguments = image.tile[0][3] if image.tile else None
    return arguments[0] if isinstance(arguments, tuple) else arguments


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
        guess = "The channels are equal: a grey mask was saved as colour."
        fix = (
            "keep one channel, for example "
            "Image.open(mask).getchannel(0).save(mask)"
        )
    else:
        guess = "The classes look coded as colours."
        fix = "replace every colour by its id and save a single-channel PNG"
    return DataError(
        "KS-D007",
        path,
        f"has mode {image.mode} with {len(colors)} different colours",
        "a mask has one channel of class ids",
        guess=guess,
        fix=fix,
    )
