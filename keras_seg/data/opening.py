"""Opening of picture files, with errors that name the file."""

import contextlib
import itertools
import pathlib
import warnings

from PIL import Image
from PIL import UnidentifiedImageError

from keras_seg import words
from keras_seg.data.errors import DataError

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "check_page",
    "guarded",
    "is_image_file",
    "limit_pixels",
    "opened",
    "page_frames",
    "rawmode",
    "refuse_large",
    "select_page",
]

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF")
_STACKS = ("TIFF", "PNG", "WEBP", "GIF")  # and animations
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif"),
    ".npy",
)


@contextlib.contextmanager
def opened(path):
    """Open a picture with Pillow; any error inside is a `DataError`."""
    with guarded(path), Image.open(path, formats=FORMATS) as image:
        if image.format == "BMP":
            _refuse_misread(path, image)
        yield image


def _refuse_misread(path, image):
    """Refuse a BMP of few grays, which Pillow reads in another depth."""
    with open(path, "rb") as file:
        header = file.read(30)
    at = 24 if header[14] == 12 else 28  # 12 bytes are OS/2's header.
    bits = int.from_bytes(header[at : at + 2], "little")
    read = {"1": 1, "L": 8}.get(rawmode(image), bits)
    if bits != read and image.tile[0][0] == "raw":
        raise DataError(
            "KS-D009",
            path,
            f"has {bits} bits a pixel and a palette of few grays",
            f"such a BMP would be read as one of {words.count(read, 'bit')}",
            fix="save it as a PNG",
        )


@contextlib.contextmanager
def guarded(path):
    """Turn any exception of a decoder inside into a `DataError`."""
    path = pathlib.Path(path)
    pictures = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    suffix = path.suffix.lower()
    kinds = suffix[1:].upper() if suffix in (".npy", ".npz") else pictures
    allowed = f"a complete {kinds} file is expected"
    if not path.is_file():
        found = "is a folder, a pipe or a device"
        found = found if path.exists() else "does not exist"
        raise DataError("KS-D009", path, found, allowed, fix="correct the path")
    try:
        yield
    except (DataError, MemoryError):
        raise
    except (
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise _too_large(path) from error
    # Decoders of damaged files raise OSError, SyntaxError, ValueError,
    # struct.error, zlib.error, EOFError and others.
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


def limit_pixels(pixels):
    """Set how many pixels a picture may have, for this process.

    The limit is Pillow's, twice `PIL.Image.MAX_IMAGE_PIXELS`: 178,956,970.
    It keeps a small file from filling the memory. Tiles of a GeoTIFF or a
    memory map need no higher one.
    """
    Image.MAX_IMAGE_PIXELS = pixels / 2
    # Pillow would warn from half the limit on.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def refuse_large(path, pixels, channels=1):
    """Refuse more pixels than Pillow would open; it has 4 channels at most."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels * max(1, channels / 4) > 2 * limit:
        raise _too_large(path)


def page_frames(image):
    """The numbers of the frames of an open file that are full images.

    Overviews and masks of a TIFF's image (TIFF 6.0, `NewSubfileType` and
    `SubfileType`) and previews behind a JPEG are not counted.
    """
    if image.format not in _STACKS:
        return [0]
    if image.format != "TIFF":
        return list(range(getattr(image, "n_frames", 1)))
    frames = []
    with contextlib.suppress(EOFError):
        for frame in itertools.count():
            with contextlib.suppress(SyntaxError):  # A mode Pillow has not.
                image.seek(frame)
            tags = image.tag_v2
            if not tags.get(254, 0) & 0b101 and tags.get(255, 1) != 2:
                frames.append(frame)
    image.seek(0)
    return frames or [0]


def select_page(path, image, page):
    """Seek a page of an open picture; `None` requires a single page."""
    frames = page_frames(image)
    check_page(path, page, len(frames))
    if frames[page or 0]:
        image.seek(frames[page or 0])


def check_page(path, page, pages):
    """Refuse a page that a file of so many pages does not have."""
    if page is None and pages > 1:
        raise DataError(
            "KS-D009",
            path,
            f"is a stack of {pages} pages",
            "one image in a file is expected",
            fix=(
                "read it with keras_seg.data.from_stack, or save each page "
                "as a PNG of its own"
            ),
        )
    if page is not None and not 0 <= page < pages:
        raise DataError(
            "KS-D009",
            path,
            f"has no page {page}",
            f"its pages are 0..{pages - 1}",
            fix="name one of them",
        )


def rawmode(image):
    """Pillow's raw mode, the pixel layout in the file, before decoding."""
    arguments = image.tile[0][3] if image.tile else None
    first = arguments[0] if isinstance(arguments, tuple) else arguments
    return first if isinstance(first, str) else None  # GIF has its bits there.


def _too_large(path):
    return DataError(
        "KS-D009",
        path,
        "has too many pixels to be opened safely",
        f"at most {2 * (Image.MAX_IMAGE_PIXELS or 0):.0f} are read",
        fix=(
            "cut it into tiles, or, if you trust it, raise the limit with "
            "--max-pixels, in Python PIL.Image.MAX_IMAGE_PIXELS"
        ),
    )


def is_image_file(path):
    """Whether a path is a visible file with the suffix of an image."""
    return (
        path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )
