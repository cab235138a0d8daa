"""Legends, and pictures side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray
from PIL import Image
from PIL import ImageDraw

from keras_seg.visualization.coloring import VOID
from keras_seg.visualization.coloring import VOID_COLOR
from keras_seg.visualization.coloring import Picture
from keras_seg.visualization.coloring import as_rgb
from keras_seg.visualization.coloring import full_palette
from keras_seg.visualization.coloring import overlay
from keras_seg.visualization.fonts import text_font

if TYPE_CHECKING:
    from keras_seg.data import ClassTable

__all__ = ["legend", "overlay_with_legend", "panel"]

PAPER = (255, 255, 255)
INK = (32, 32, 32)
SMALLEST_TEXT = 11


def legend(
    names: Sequence[str],
    colors: ArrayLike,
    shares: ArrayLike | None = None,
    height: int | None = None,
) -> Picture:
    """Draws the key to the colors: a swatch and a name for each class.

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
    palette = full_palette(colors, VOID_COLOR)
    if count == 0 or len(np.asarray(colors)) != count:
        raise ValueError(
            "`names` and `colors` must have one entry for each class. "
            f"Received: {count} names, {len(np.asarray(colors))} colors"
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
    columns = []
    for start in range(0, count, lines):
        part = slice(start, start + lines)
        columns.append(
            _column(names[part], palette[part], percent[part], row, size)
        )
    canvas = np.full((height, 0, 3), 255, np.uint8)
    for column in columns:
        canvas = np.concatenate([canvas, _pad(column, height)], axis=1)
    return canvas


def overlay_with_legend(
    image: ArrayLike,
    mask: ArrayLike,
    class_table: "ClassTable",
    alpha: float = 0.5,
) -> Picture:
    """Draws `overlay` and, at its right, the classes that are in the mask.

    The shares are those of the pixels that are not void; of several labels,
    of those that are not void in the plane of the class.

    Args:
        image: see `overlay`.
        mask: integer array `(height, width)`, class ids, 255 and the
            `ignore_classes` of the table are void; or `(height, width,
            classes)` of several labels.
        class_table: `keras_seg.data.ClassTable`.
        alpha: see `overlay`.

    Returns:
        uint8 array, at least as high as the image.

    Raises:
        ValueError: as `overlay` does.
    """
    ids = np.asarray(mask)
    colors = np.asarray(class_table.colors)
    if ids.ndim == 2:
        void = np.isin(ids, list(class_table.ignore_classes))
        ids = np.where(void, VOID, ids)
    picture = overlay(image, ids, colors, alpha)
    counts, known = class_counts(ids, len(colors))
    present = np.flatnonzero(counts)
    if not present.size:
        return picture
    height = max(picture.shape[0], 3 * (SMALLEST_TEXT + 5))
    key = legend(
        [class_table.names[index] for index in present],
        colors[present],
        counts[present] / known[present],
        height,
    )
    return np.concatenate([_pad(picture, height), key], axis=1)


def class_counts(mask: ArrayLike, classes: int) -> tuple[NDArray, NDArray]:
    """The pixels of each class, and those of which it is known whether they
    have it: all but void, of several labels in the plane of the class."""
    ids = np.asarray(mask)
    if ids.ndim == 3:
        return (ids == 1).sum(axis=(0, 1)), (ids != VOID).sum(axis=(0, 1))
    counts = np.bincount(ids.ravel(), minlength=VOID + 1)[:classes]
    return counts, np.full(classes, counts.sum())


def panel(
    images: Sequence[ArrayLike],
    titles: Sequence[str] | None = None,
    gap: int = 8,
) -> Picture:
    """Puts pictures side by side, such as image, truth and prediction.

    Args:
        images: arrays `(height, width, 3)` or gray, RGB in 0...255, uint8
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
    pictures = [as_rgb(image) for image in images]
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
        pictures = [
            _with_title(_pad(picture, height), title, size)
            for picture, title in zip(pictures, titles, strict=True)
        ]
        height = pictures[0].shape[0]
    parts = [_pad(pictures[0], height)]
    for picture in pictures[1:]:
        parts.append(np.full((height, gap, 3), 255, np.uint8))
        parts.append(_pad(picture, height))
    return np.concatenate(parts, axis=1)


def _percent(share: float) -> str:
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def _pad(picture: Picture, height: int) -> Picture:
    missing = height - picture.shape[0]
    return np.pad(picture, ((0, missing), (0, 0), (0, 0)), constant_values=255)


def _column(
    names: Sequence[str],
    colors: Picture,
    percent: Sequence[str],
    row: int,
    size: int,
) -> Picture:
    """One column of a legend."""
    margin, swatch = row // 2, row * 2 // 3
    text = margin + swatch + row // 3
    drawn = [text_font(name, size) for name in names]
    small, _ = text_font("", size)
    numbers = max(small.getlength(number) for number in percent)
    end = text + max(font.getlength(name) for font, name in drawn)
    if numbers:
        end += row // 2 + numbers
    width = int(np.ceil(end)) + margin
    canvas = Image.new("RGB", (width, row * len(names)), PAPER)
    draw = ImageDraw.Draw(canvas)
    for line, ((font, name), number) in enumerate(
        zip(drawn, percent, strict=True)
    ):
        middle = line * row + row / 2
        top = line * row + (row - swatch) // 2
        draw.rectangle(
            (margin, top, margin + swatch - 1, top + swatch - 1),
            fill=tuple(int(value) for value in colors[line]),
            outline=(160, 160, 160),
        )
        draw.text((text, middle), name, fill=INK, font=font, anchor="lm")
        draw.text((end, middle), number, fill=INK, font=small, anchor="rm")
    return np.asarray(canvas)


def _with_title(picture: Picture, title: str, size: int) -> Picture:
    font, title = text_font(title, size)
    bar = int(size * 1.8)
    spare = max(0, int(np.ceil(font.getlength(title))) - picture.shape[1])
    sides = (spare // 2, spare - spare // 2)
    picture = np.pad(picture, ((bar, 0), sides, (0, 0)), constant_values=255)
    canvas = Image.fromarray(picture)
    ImageDraw.Draw(canvas).text(
        (canvas.width / 2, bar / 2), title, fill=INK, font=font, anchor="mm"
    )
    return np.asarray(canvas)
