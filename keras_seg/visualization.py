"""Pictures of masks: colours, overlays, legends, panels, index PNGs.

Images are RGB, 0...255, uint8 or float; masks are integer class ids in
which 255 is void. Every function returns a uint8 RGB array.
"""

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

__all__ = [
    "colorize",
    "legend",
    "overlay",
    "overlay_with_legend",
    "panel",
    "save_image",
    "save_mask",
]

Picture = NDArray[np.uint8]

VOID = 255
VOID_COLOR = (224, 224, 192)  # as in the figures of PASCAL VOC
PAPER = (255, 255, 255)
INK = (32, 32, 32)
SMALLEST_TEXT = 11
OUTLINE = 0.4  # the share of white, so that dark colours can be seen too


def colorize(
    mask: ArrayLike,
    colors: ArrayLike,
    void_color: Sequence[int] = VOID_COLOR,
) -> Picture:
    """Paints every pixel of a mask in the colour of its class.

    Args:
        mask: integer array `(height, width)`, class ids, 255 is void.
        colors: array `(classes, 3)`, RGB in 0...255, a row for each class.
        void_color: three ints, the colour of void.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if an id has no colour, or an argument is malformed.

    Example:

    >>> colorize([[0, 1, 255]], [[0, 0, 0], [128, 0, 0]]).tolist()
    [[[0, 0, 0], [128, 0, 0], [224, 224, 192]]]
    """
    palette = _palette(colors, void_color)
    return palette[_ids(mask, len(np.asarray(colors)))]


def overlay(
    image: ArrayLike, mask: ArrayLike, colors: ArrayLike, alpha: float = 0.5
) -> Picture:
    """Lays the colours of a mask over its image, classes outlined.

    Void shows the image, and so does a class whose colour is black: that is
    the background in the colours of PASCAL VOC. The outline is drawn inside
    each area, in a lighter tone of its colour.

    Args:
        image: array `(height, width, 3)`, or grey `(height, width)` or
            `(height, width, 1)`; RGB in 0...255, uint8 or float.
        mask: integer array `(height, width)`, class ids, 255 is void.
        colors: array `(classes, 3)`, RGB in 0...255, a row for each class.
        alpha: float in 0...1, the share of colour in the mixture; 0 leaves
            the outlines alone.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if image and mask differ in size, an id has no colour,
            or an argument is malformed.

    Example:

    >>> grey = np.full((1, 4), 100.0)
    >>> overlay(grey, [[1, 1, 255, 0]], [[0, 0, 0], [200, 0, 0]])[0].tolist()
    [[150, 50, 50], [222, 102, 102], [100, 100, 100], [100, 100, 100]]
    """
    picture = _rgb(image)
    table = np.asarray(colors)
    ids = _ids(mask, len(table))
    if picture.shape[:2] != ids.shape:
        raise ValueError(
            "`image` and `mask` must have the same height and width. "
            f"Received: image of shape {picture.shape}, "
            f"mask of shape {ids.shape}"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"`alpha` must be in 0...1. Received: {alpha}")
    palette = _palette(colors, VOID_COLOR)
    shown = np.sum(palette, axis=1) > 0
    shown[VOID] = False
    width = max(1, round(min(ids.shape) / 400))
    outline = _contour(ids, width) & shown[ids]
    weight = np.where(shown[ids], alpha, 0.0)[..., None]
    mixed = (1.0 - weight) * picture + weight * palette[ids]
    mixed[outline] = OUTLINE * 255 + (1.0 - OUTLINE) * palette[ids[outline]]
    return np.rint(mixed).astype(np.uint8)


def legend(
    names: Sequence[str],
    colors: ArrayLike,
    shares: ArrayLike | None = None,
    height: int | None = None,
) -> Picture:
    """Draws the key to the colours: a swatch and a name for each class.

    Args:
        names: strings, one for each class.
        colors: array `(classes, 3)`, RGB in 0...255.
        shares: floats in 0...1, one for each class, shown in percent.
        height: int, the height of the picture. The text is made to fit,
            down to a legible size; then the classes go into columns.
            Defaults to `None`, one column of 24 pixels for each class.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if the arguments differ in length, or the height leaves
            no room for a line.

    Example:

    >>> legend(["cell", "membrane"], [[0, 0, 0], [128, 0, 0]]).shape[0]
    48
    """
    count = len(names)
    palette = _palette(colors, VOID_COLOR)
    if count == 0 or len(np.asarray(colors)) != count:
        raise ValueError(
            "`names` and `colors` must have one entry for each class. "
            f"Received: {count} names, {len(np.asarray(colors))} colours"
        )
    percent = [""] * count
    if shares is not None:
        values = np.asarray(shares, dtype=float)
        if values.shape != (count,):
            raise ValueError(
                "`shares` must have one number for each class. "
                f"Received: shape {values.shape}, {count} names"
            )
        percent = [_percent(value) for value in values]
    smallest_row = SMALLEST_TEXT + 5
    height = 24 * count if height is None else int(height)
    if height < smallest_row:
        raise ValueError(
            f"`height` must be at least {smallest_row}. Received: {height}"
        )
    row = min(24, max(smallest_row, height // count))
    lines = height // row
    size = max(SMALLEST_TEXT, row * 5 // 8)
    font = ImageFont.load_default(size)
    columns = []
    for start in range(0, count, lines):
        part = slice(start, start + lines)
        columns.append(
            _column(names[part], palette[part], percent[part], row, font)
        )
    canvas = np.full((height, 0, 3), 255, np.uint8)
    for column in columns:
        canvas = np.concatenate([canvas, _pad(column, height)], axis=1)
    return canvas


def overlay_with_legend(
    image: ArrayLike, mask: ArrayLike, classes, alpha: float = 0.5
) -> Picture:
    """Draws `overlay` and, at its right, the classes that are in the mask.

    The shares are those of the pixels that are not void.

    Args:
        image: see `overlay`.
        mask: integer array `(height, width)`, class ids, 255 and the
            `void_ids` of the table are void.
        classes: `keras_seg.data.ClassTable`.
        alpha: see `overlay`.

    Returns:
        uint8 array, at least as high as the image.

    Raises:
        ValueError: as `overlay` does.
    """
    ids = np.asarray(mask)
    ids = np.where(np.isin(ids, list(classes.void_ids)), VOID, ids)
    colors = np.asarray(classes.colors)
    picture = overlay(image, ids, colors, alpha)
    counts = np.bincount(ids.ravel(), minlength=VOID + 1)[: len(colors)]
    present = np.flatnonzero(counts)
    if not present.size:
        return picture
    height = max(picture.shape[0], 3 * (SMALLEST_TEXT + 5))
    key = legend(
        [classes.names[index] for index in present],
        colors[present],
        counts[present] / counts.sum(),
        height,
    )
    return np.concatenate([_pad(picture, height), key], axis=1)


def panel(
    images: Sequence[ArrayLike],
    titles: Sequence[str] | None = None,
    gap: int = 8,
) -> Picture:
    """Puts pictures side by side, such as image, truth and prediction.

    Args:
        images: arrays `(height, width, 3)` or grey, RGB in 0...255, uint8
            or float. Lower ones are filled up with white.
        titles: strings, one above each picture.
        gap: int, the pixels of white between two pictures.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if there is no picture, or not one title for each.

    Example:

    >>> image = np.zeros((40, 60, 3), dtype="uint8")
    >>> panel([image, image], gap=4).shape
    (40, 124, 3)
    """
    pictures = [_rgb(image) for image in images]
    if not pictures:
        raise ValueError("`images` must hold a picture. Received: none")
    if gap < 0:
        raise ValueError(f"`gap` must be at least 0. Received: {gap}")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(
            "`titles` must have one string for each picture. "
            f"Received: {len(titles)} titles, {len(pictures)} pictures"
        )
    height = max(picture.shape[0] for picture in pictures)
    if titles is not None:
        size = min(22, max(SMALLEST_TEXT, height // 22))
        font = ImageFont.load_default(size)
        pictures = [
            _with_title(_pad(picture, height), title, font)
            for picture, title in zip(pictures, titles, strict=True)
        ]
        height = pictures[0].shape[0]
    parts = [_pad(pictures[0], height)]
    for picture in pictures[1:]:
        parts.append(np.full((height, gap, 3), 255, np.uint8))
        parts.append(_pad(picture, height))
    return np.concatenate(parts, axis=1)


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
        ValueError: if an id has no colour, or an argument is malformed.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(
            "A mask must be written as PNG, which keeps the ids. "
            f"Received: path={str(path)!r}"
        )
    image = Image.fromarray(_ids(mask, len(np.asarray(colors))), mode="L")
    palette = _palette(colors, VOID_COLOR)
    image.putpalette(palette.tobytes(), rawmode="RGB")
    _write(Path(path), image)


def save_image(path: str | Path, array: ArrayLike) -> None:
    """Writes a picture; the file appears whole or not at all.

    Args:
        path: str or path; its suffix, such as `.png` or `.jpg`, says how.
        array: array `(height, width, 3)` or grey, RGB in 0...255, uint8 or
            float.

    Raises:
        ValueError: if the array is no picture, or the suffix is unknown.
    """
    _write(Path(path), Image.fromarray(_rgb(array)))


def _write(path: Path, image: Image.Image) -> None:
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise ValueError(
            "The suffix must name a format of pictures, such as .png or "
            f".jpg. Received: path={str(path)!r}"
        )
    # In the same folder: a rename is atomic within one file system only.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    options = {"quality": 92} if kind == "JPEG" else {}
    try:
        with open(temporary, "xb") as file:
            image.save(file, format=kind, **options)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _palette(colors: ArrayLike, void_color: Sequence[int]) -> Picture:
    """256 colours: those of the classes, black, and void at 255."""
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


def _ids(mask: ArrayLike, classes: int) -> Picture:
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
            f"colour, or {VOID} for void. "
            f"Received: ids {np.unique(ids[wrong])[:10].tolist()}"
        )
    return ids.astype(np.uint8)


def _rgb(image: ArrayLike) -> Picture:
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    good = array.ndim == 3 and array.shape[-1] in (1, 3) and array.size > 0
    if not good or array.dtype.kind not in "iuf":
        raise ValueError(
            "A picture must be an array (height, width, 3), or grey "
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


def _contour(ids: Picture, width: int) -> NDArray[np.bool_]:
    """The pixels within `width` of another id, on both sides of an edge."""
    contour = np.zeros(ids.shape, bool)
    for step in range(1, width + 1):
        down = ids[step:] != ids[:-step]
        contour[step:] |= down
        contour[:-step] |= down
        right = ids[:, step:] != ids[:, :-step]
        contour[:, step:] |= right
        contour[:, :-step] |= right
    return contour


def _percent(share: float) -> str:
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def _pad(picture: Picture, height: int) -> Picture:
    missing = height - picture.shape[0]
    return np.pad(picture, ((0, missing), (0, 0), (0, 0)), constant_values=255)


def _column(names, colors, percent, row, font) -> Picture:
    """One column of a legend."""
    margin, swatch = row // 2, row * 2 // 3
    text = margin + swatch + row // 3
    numbers = max(font.getlength(number) for number in percent)
    end = text + max(font.getlength(name) for name in names)
    if numbers:
        end += row // 2 + numbers
    width = int(np.ceil(end)) + margin
    canvas = Image.new("RGB", (width, row * len(names)), PAPER)
    draw = ImageDraw.Draw(canvas)
    for line, (name, number) in enumerate(zip(names, percent, strict=True)):
        middle = line * row + row / 2
        top = line * row + (row - swatch) // 2
        draw.rectangle(
            (margin, top, margin + swatch - 1, top + swatch - 1),
            fill=tuple(int(value) for value in colors[line]),
            outline=(160, 160, 160),
        )
        draw.text((text, middle), name, fill=INK, font=font, anchor="lm")
        draw.text((end, middle), number, fill=INK, font=font, anchor="rm")
    return np.asarray(canvas)


def _with_title(picture: Picture, title: str, font) -> Picture:
    bar = int(font.size * 1.8)
    spare = max(0, int(np.ceil(font.getlength(title))) - picture.shape[1])
    sides = (spare // 2, spare - spare // 2)
    picture = np.pad(picture, ((bar, 0), sides, (0, 0)), constant_values=255)
    canvas = Image.fromarray(picture)
    ImageDraw.Draw(canvas).text(
        (canvas.width / 2, bar / 2), title, fill=INK, font=font, anchor="mm"
    )
    return np.asarray(canvas)
