"""Masks in color, alone and over their image, and their files."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray
from PIL import Image

from keras_seg.atomic import replacing
from keras_seg.visualization.planes import OUTLINE
from keras_seg.visualization.planes import VOID
from keras_seg.visualization.planes import as_planes
from keras_seg.visualization.planes import contour
from keras_seg.visualization.planes import paint_planes
from keras_seg.visualization.planes import stripes

if TYPE_CHECKING:
    from keras_seg.data import ClassTable

__all__ = [
    "VOID_COLOR",
    "Picture",
    "as_ids",
    "as_rgb",
    "as_shown",
    "colorize",
    "encoded",
    "full_palette",
    "mask_picture",
    "overlay",
    "save_image",
    "save_label_masks",
    "save_mask",
    "within_jpeg",
]

Picture = NDArray[np.uint8]

LARGEST_SIDE = 65_500  # of a JPEG
VOID_COLOR = (224, 224, 192)  # as in the figures of PASCAL VOC


def colorize(
    mask: ArrayLike,
    colors: ArrayLike,
    void_color: Sequence[int] = VOID_COLOR,
) -> Picture:
    """Paints every pixel of a mask in the color of its class.

    Of several labels, stripes show the classes of a pixel in turn; a pixel of
    none is black, or void if one of its classes is.

    Args:
        mask: integer array `(height, width)`, class ids, 255 is void; or
            `(height, width, classes)` of several labels.
        colors: array `(classes, 3)`, RGB in 0...255, a row for each class.
        void_color: three ints, the color of void.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if an id has no color, or an argument is malformed.

    Example:

    >>> colorize([[0, 1, 255]], [[0, 0, 0], [128, 0, 0]]).tolist()
    [[[0, 0, 0], [128, 0, 0], [224, 224, 192]]]
    """
    palette = full_palette(colors, void_color)
    if np.ndim(mask) == 3:
        planes = as_planes(mask, len(np.asarray(colors)))
        picture = palette[stripes(planes)[0]]
        unknown = (planes == VOID).any(axis=2) & ~(planes == 1).any(axis=2)
        picture[~(planes == 1).any(axis=2)] = 0
        picture[unknown] = palette[VOID]
        return picture
    return palette[as_ids(mask, len(np.asarray(colors)))]


def overlay(
    image: ArrayLike, mask: ArrayLike, colors: ArrayLike, alpha: float = 0.5
) -> Picture:
    """Lays the colors of a mask over its image, classes outlined.

    Void shows the image, and so does a class whose color is black: that is
    the background in the colors of PASCAL VOC. The outline is drawn inside
    each area, in a lighter tone of its color. Of several labels each class
    has its outline, and stripes where it overlaps with others.

    Args:
        image: array `(height, width, 3)`, or gray `(height, width)` or
            `(height, width, 1)`; RGB in 0...255, uint8 or float. Of other
            channels the first three are shown, or the first.
        mask: integer array `(height, width)`, class ids, 255 is void; or
            `(height, width, classes)` of several labels.
        colors: array `(classes, 3)`, RGB in 0...255, a row for each class.
        alpha: float in 0...1, the share of color in the mixture; 0 leaves
            the outlines alone.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if image and mask differ in size, an id has no color,
            or an argument is malformed.

    Example:

    >>> gray = np.full((1, 4), 100.0)
    >>> overlay(gray, [[1, 1, 255, 0]], [[0, 0, 0], [200, 0, 0]])[0].tolist()
    [[150, 50, 50], [222, 102, 102], [100, 100, 100], [100, 100, 100]]
    """
    picture = as_shown(image)
    several = np.ndim(mask) == 3
    as_mask = as_planes if several else as_ids
    ids = as_mask(mask, len(np.asarray(colors)))
    if picture.shape[:2] != ids.shape[:2]:
        raise ValueError(
            "`image` and `mask` must have the same height and width. "
            f"Received: image of shape {picture.shape}, "
            f"mask of shape {ids.shape}"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"`alpha` must be in 0...1. Received: {alpha}")
    palette = full_palette(colors, VOID_COLOR)[: len(np.asarray(colors)) + 1]
    if several:
        return paint_planes(picture, ids, palette[:-1], alpha)
    palette[-1] = 0  # of void, which is not shown
    count = len(palette)
    ids = np.minimum(ids, count - 1)
    shown = np.sum(palette, axis=1) > 0
    width = max(1, round(min(ids.shape) / 400))
    # A table has the mixture of each value with each id, and its outline.
    key = ids + count * contour(ids, width).astype(np.intp)
    key *= 256
    weight = np.where(shown, alpha, 0.0)[:, None]
    light = np.rint(OUTLINE * 255 + (1.0 - OUTLINE) * palette)
    values = np.arange(256)
    mixed = np.empty_like(picture)
    for channel in range(3):
        color = palette[:, channel, None]
        table = np.empty((2 * count, 256), np.uint8)
        table[:count] = np.rint((1.0 - weight) * values + weight * color)
        table[count:] = np.where(
            shown[:, None], light[:, channel, None], table[:count]
        )
        mixed[..., channel] = np.take(table, key + picture[..., channel])
    return mixed


def save_mask(path: str | Path, mask: ArrayLike, colors: ArrayLike) -> None:
    """Writes a mask as an index PNG: the ids themselves, with a palette.

    The ids come back exactly with `np.asarray(PIL.Image.open(path))`, and
    the file looks like `colorize` in any viewer. The file appears whole or
    not at all.

    Args:
        path: str or path that ends in `.png`.
        mask: integer array `(height, width)`, class ids, 255 is void.
        colors: array `(classes, 3)`, RGB in 0...255, a row for each class.

    Raises:
        ValueError: if an id has no color, or an argument is malformed.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(
            "A mask must be written as PNG, which keeps the ids. "
            f"Received: path={str(path)!r}"
        )
    _write(Path(path), mask_picture(mask, colors))


def mask_picture(mask: ArrayLike, colors: ArrayLike) -> Image.Image:
    """The picture that `save_mask` writes."""
    image = Image.fromarray(as_ids(mask, len(np.asarray(colors))), mode="L")
    palette = full_palette(colors, VOID_COLOR)
    image.putpalette(palette.tobytes(), rawmode="RGB")
    return image


def save_label_masks(
    folder: str | Path,
    name: str,
    mask: ArrayLike,
    class_table: "ClassTable",
) -> list[Path]:
    """Writes a mask of several labels as an index PNG for each class.

    The file of a class is `folder/<class>/<name>.png`, in which 1 has the
    color of the class. `keras_seg.data.from_folder(multi_label=True)` reads
    such folders back as they were. Each file appears whole or not at all.

    Args:
        folder: str or path, created if it does not exist.
        name: str, the stem of the image.
        mask: integer array `(height, width, classes)`: 1 where a class is, 0
            where it is not, 255 where that is not known.
        class_table: `keras_seg.data.ClassTable`.

    Returns:
        List of the paths, in the order of the classes.

    Raises:
        ValueError: if the mask has other planes or values, or two classes
            would share a folder.

    Example:

    >>> import tempfile
    >>> from keras_seg.data import ClassTable
    >>> mask = np.array([[[1, 1], [0, 255]]], "uint8")
    >>> table = ClassTable(("road", "car"), ((128, 0, 0), (0, 128, 0)))
    >>> files = save_label_masks(tempfile.mkdtemp(), "0001", mask, table)
    >>> ["/".join(file.parts[-2:]) for file in files]
    ['road/0001.png', 'car/0001.png']
    """
    from keras_seg.data.stacks import label_folders

    planes = as_planes(mask, len(class_table))
    files = []
    for k, part in enumerate(label_folders(class_table.names)):
        file = Path(folder) / part / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        save_mask(file, planes[..., k], [(0, 0, 0), class_table.colors[k]])
        files.append(file)
    return files


def save_image(path: str | Path, array: ArrayLike) -> None:
    """Writes a picture; the file appears whole or not at all.

    Args:
        path: str or path; its suffix, such as `.png` or `.jpg`, says how.
        array: array `(height, width, 3)` or gray, RGB in 0...255, uint8 or
            float.

    Raises:
        ValueError: if the array is no picture, or the suffix is unknown.
    """
    # Photographs as PNG: half the time of the default, for 8 % more bytes.
    _write(Path(path), Image.fromarray(as_rgb(array)), compress_level=1)


def full_palette(colors: ArrayLike, void_color: Sequence[int]) -> Picture:
    """256 colors: those of the classes, then black, and void at 255."""
    palette = np.zeros((256, 3), np.uint8)
    for name, value in (("colors", colors), ("void_color", [void_color])):
        table = np.asarray(value)
        if (
            table.ndim != 2
            or table.shape[1] != 3
            or not 1 <= len(table) <= VOID
            or table.dtype.kind not in "iu"
            or table.min() < 0
            or table.max() > 255
        ):
            raise ValueError(
                f"`{name}` must be RGB integers in 0...255, for 1 to {VOID} "
                f"classes. Received: shape {table.shape}, "
                f"dtype {table.dtype}"
            )
        if name == "colors":
            palette[: len(table)] = table
        else:
            palette[VOID] = table[0]
    return palette


def as_ids(mask: ArrayLike, classes: int) -> Picture:
    ids = np.asarray(mask)
    if ids.ndim != 2 or ids.size == 0 or ids.dtype.kind not in "iu":
        raise ValueError(
            "`mask` must be an integer array (height, width). "
            f"Received: shape {ids.shape}, dtype {ids.dtype}"
        )
    wrong = (ids != VOID) & ((ids < 0) | (ids >= classes))
    if wrong.any():
        raise ValueError(
            f"`mask` must hold ids in 0...{classes - 1}, one for each "
            f"color, or {VOID} for void. "
            f"Received: ids {np.unique(ids[wrong])[:10].tolist()}"
        )
    return ids.astype(np.uint8)


def as_shown(image: ArrayLike) -> Picture:
    """The first three channels of an image, or the first, as a picture."""
    array = np.asarray(image)
    if array.ndim == 3:
        array = array[..., : 3 if array.shape[2] > 2 else 1]
    return as_rgb(array)


def as_rgb(image: ArrayLike) -> Picture:
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    good = array.ndim == 3 and array.shape[-1] in (1, 3) and array.size > 0
    if not good or array.dtype.kind not in "iuf":
        raise ValueError(
            "A picture must be an array (height, width, 3), or gray "
            "(height, width) or (height, width, 1), of numbers in 0...255. "
            f"Received: shape {np.shape(image)}, dtype {array.dtype}"
        )
    if array.dtype != np.uint8:
        low, high = array.min(), array.max()
        if not (low >= 0 and high <= 255):
            raise ValueError(
                "A picture must have values in 0...255. If it has been "
                "preprocessed for a network, take it as it was before. "
                f"Received: values in {low}...{high}"
            )
        array = np.rint(array).astype(np.uint8)
    return np.broadcast_to(array, (*array.shape[:2], 3))


def _write(path: Path, image: Image.Image, compress_level: int = 6) -> None:
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise ValueError(
            "The suffix must name a format of pictures, such as .png or "
            f".jpg. Received: path={str(path)!r}"
        )
    with replacing(path) as temporary:
        _save(image, temporary, kind, compress_level)


def encoded(image: Image.Image, kind: str) -> bytes:
    """The content of the file that is written of a mask or an overlay."""
    buffer = io.BytesIO()
    _save(image, buffer, kind)
    return buffer.getvalue()


def _save(
    image: Image.Image, file: Any, kind: str, compress_level: int = 6
) -> None:
    options = {
        # Thin outlines keep their colors.
        "JPEG": {"quality": 92, "subsampling": 0},
        "PNG": {"compress_level": compress_level},
    }
    image.save(file, format=kind, **options.get(kind, {}))


def within_jpeg(picture: Picture) -> Picture:
    """A picture without the rows and columns that are too many for JPEG."""
    step = -(-max(picture.shape) // LARGEST_SIDE)
    return picture[::step, ::step]
