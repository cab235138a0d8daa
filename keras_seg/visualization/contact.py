"""Contact sheets: many pictures in rows, with titles, marks and a legend."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image
from PIL import ImageDraw

from keras_seg.visualization.coloring import VOID
from keras_seg.visualization.coloring import VOID_COLOR
from keras_seg.visualization.coloring import Picture
from keras_seg.visualization.coloring import as_ids
from keras_seg.visualization.coloring import as_rgb
from keras_seg.visualization.coloring import as_shown
from keras_seg.visualization.coloring import overlay
from keras_seg.visualization.fonts import text_font
from keras_seg.visualization.planes import as_planes
from keras_seg.visualization.sheets import INK
from keras_seg.visualization.sheets import PAPER
from keras_seg.visualization.sheets import class_counts
from keras_seg.visualization.sheets import legend

if TYPE_CHECKING:
    from keras_seg.data import ClassTable

__all__ = ["BOX", "contact_sheet", "gallery", "thumbnail"]

MARK = (196, 30, 45)
FADED = (110, 110, 110)
BED = (236, 236, 236)  # what a picture of another shape leaves free
BOX = (180, 240)  # height and width of a picture


def gallery(
    examples: Sequence[tuple[str, ArrayLike, ArrayLike]],
    class_table: "ClassTable | None" = None,
    columns: int = 2,
    box: tuple[int, int] | None = None,
) -> Picture:
    """Draws images, each beside itself with its mask, and a legend.

    The legend has the share of each class in the pixels of all masks.

    Args:
        examples: sequence of tuples `(title, image, mask)`: an array
            `(height, width, channels)` of values in 0...255, of which the
            first three channels are shown; an integer array `(height,
            width)` of class ids, 255 and the `ignore_classes` of the table
            are void; or `(height, width, classes)` of several labels.
        class_table: optional `keras_seg.data.ClassTable`. By default classes
            without names, as many as the masks have.
        columns: int, examples side by side.
        box: tuple (height, width) that pictures are fitted into. Defaults
            to (180, 240), or (480, 640) for a single example.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: If there is no example, or a mask has an unknown id.

    Example:

    >>> from keras_seg.data import synthetic
    >>> images, masks = synthetic.membranes(2, size=64)
    >>> examples = [("a", images[0], masks[0]), ("b", images[1], masks[1])]
    >>> gallery(examples, synthetic.MEMBRANE_CLASSES).shape[0]
    228
    """
    box = box or (BOX if len(examples) > 1 else (480, 640))
    if class_table is None:
        class_table = _classes_of([mask for _, _, mask in examples])
    colors = np.asarray(class_table.colors)
    void = list(class_table.ignore_classes)
    counts = np.zeros(len(colors) + 1, np.int64)  # the last is void
    totals = counts.copy()
    rows = []
    for _, image, mask in examples:
        ids = np.asarray(mask)
        if ids.ndim == 3:
            ids = as_planes(ids, len(colors))
        else:
            ids = as_ids(np.where(np.isin(ids, void), VOID, ids), len(colors))
        small = thumbnail(image, box)
        drawn = overlay(small, thumbnail(ids, box, nearest=True), colors)
        rows.append((small, drawn))
        own, known = class_counts(ids, len(colors))
        counts += [*own, np.count_nonzero(ids == VOID)]
        totals[:-1] += known if ids.ndim == 3 else ids.size
        totals[-1] += ids.size
    names = [*class_table.names, "void"]
    tones = np.array([*colors, VOID_COLOR])
    present = np.flatnonzero(counts)
    key = None
    if rows:
        key = legend(
            [names[i] for i in present],
            tones[present],
            counts[present] / totals[present],
        )
    titles = [title for title, _, _ in examples]
    return contact_sheet(rows, titles, key=key, columns=columns, box=box)


def _classes_of(masks: Sequence[ArrayLike]) -> "ClassTable":
    from keras_seg.data import ClassTable
    from keras_seg.data.stacks import label_table

    ids = [np.asarray(mask) for mask in masks]
    if ids and ids[0].ndim == 3:
        return label_table(f"class {k}" for k in range(ids[0].shape[2]))
    largest = [int(x[x != VOID].max(initial=0)) for x in ids]
    return ClassTable.default(max(largest, default=0) + 1)


def thumbnail(
    image: ArrayLike, box: tuple[int, int] = BOX, nearest: bool = False
) -> Picture:
    """Fits an image of any channels, or with `nearest` a mask, into a box."""
    array = np.asarray(image)
    if nearest and array.ndim == 3:
        planes = [thumbnail(p, box, nearest) for p in np.moveaxis(array, -1, 0)]
        return np.stack(planes, axis=-1)
    if not nearest:
        array = as_shown(np.clip(array, 0, 255).astype(np.uint8))
    height, width = array.shape[:2]
    scale = min(box[0] / height, box[1] / width)
    size = (
        min(box[1], max(1, round(width * scale))),
        min(box[0], max(1, round(height * scale))),
    )
    # Small pictures keep their pixels visible.
    smooth = scale <= 1 and not nearest
    how = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    return np.array(Image.fromarray(array).resize(size, how))


def contact_sheet(
    rows: Sequence[Sequence[ArrayLike | None]],
    titles: Sequence[str],
    marks: Sequence[str] | None = None,
    *,
    heading: str = "",
    key: ArrayLike | None = None,
    columns: int = 3,
    box: tuple[int, int] = BOX,
) -> Picture:
    """Lays groups of pictures out in columns, each group under its title.

    Pictures keep their shape: each is put into the middle of its box, which
    no picture may exceed. A picture that is `None` leaves its box empty.

    Args:
        rows: for each group its pictures, such as (image, overlay): arrays
            `(height, width, 3)` or gray, RGB in 0...255.
        titles: strings, one for each group.
        marks: strings, one for each group, shown in red before the title;
            "" for none.
        heading: str, a line above everything.
        key: picture at the right of everything, such as a `legend`.
        columns: int, groups side by side.
        box: tuple (height, width) of the place of a picture.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if there is no group, or not one title for each.

    Example:

    >>> image = np.zeros((60, 80, 3), dtype="uint8")
    >>> sheet = contact_sheet([[image, None]], ["0001"], box=(60, 80))
    >>> sheet.shape
    (108, 188, 3)
    """
    marks = [""] * len(rows) if marks is None else marks
    if not rows or len(titles) != len(rows) or len(marks) != len(rows):
        raise ValueError(
            "`titles` and `marks` must have one string for each of one or "
            f"more groups. Received: {len(rows)} groups, {len(titles)} "
            f"titles, {len(marks)} marks"
        )
    gap, inner, bar = 12, 4, 24
    height, width = box
    across = max(len(row) for row in rows)
    group_width = across * width + (across - 1) * inner
    columns = min(columns, len(rows))
    lines = -(-len(rows) // columns)
    top = gap + (40 if heading else 0)
    right = gap + columns * (group_width + gap)
    sidebar = None if key is None else as_rgb(key)
    canvas_width = right + (0 if sidebar is None else sidebar.shape[1] + gap)
    grid_height = top + lines * (bar + height + gap)
    if sidebar is not None:
        grid_height = max(grid_height, top + sidebar.shape[0] + gap)
    canvas = Image.new("RGB", (canvas_width, grid_height), PAPER)
    draw = ImageDraw.Draw(canvas)
    if heading:
        font, heading = text_font(heading, 20)
        text = _fitted(heading, font, canvas_width - 2 * gap)
        draw.text((gap, gap + 16), text, fill=INK, font=font, anchor="lm")
    for place, (row, title, mark) in enumerate(
        zip(rows, titles, marks, strict=True)
    ):
        left = gap + place % columns * (group_width + gap)
        upper = top + place // columns * (bar + height + gap)
        _title(draw, (left, upper, group_width, bar), title, mark)
        for i, picture in enumerate(row):
            corner = (left + i * (width + inner), upper + bar)
            _place(canvas, draw, picture, corner, box)
        if mark:
            draw.rectangle(
                (
                    left - 3,
                    upper - 1,
                    left + group_width + 2,
                    upper + bar + height + 2,
                ),
                outline=MARK,
                width=2,
            )
    if sidebar is not None:
        canvas.paste(
            Image.fromarray(np.ascontiguousarray(sidebar)), (right, top)
        )
    return np.asarray(canvas)


def _title(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int, int, int],
    title: str,
    mark: str,
) -> None:
    left, upper, width, bar = place
    font, _ = text_font(mark, 14)
    middle = upper + bar / 2
    start: float = left + 2
    if mark:
        end = left + 12 + font.getlength(mark)
        draw.rectangle((left, upper, end, upper + bar - 3), fill=MARK)
        draw.text((left + 6, middle - 1), mark, PAPER, font=font, anchor="lm")
        start = end + 8
    font, title = text_font(title, 14)
    text = _fitted(title, font, left + width - start)
    draw.text((start, middle - 1), text, INK, font=font, anchor="lm")


def _place(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    picture: ArrayLike | None,
    corner: tuple[int, int],
    box: tuple[int, int],
) -> None:
    left, upper = corner
    height, width = box
    draw.rectangle((left, upper, left + width - 1, upper + height - 1), BED)
    if picture is None:
        font, _ = text_font("", 14)
        middle = (left + width / 2, upper + height / 2)
        draw.text(middle, "cannot be shown", FADED, font=font, anchor="mm")
        return
    array = as_rgb(picture)
    if array.shape[0] > height or array.shape[1] > width:
        raise ValueError(
            f"No picture may exceed `box`, {box}. Received: a picture of "
            f"{array.shape[:2]}"
        )
    place = (
        left + (width - array.shape[1]) // 2,
        upper + (height - array.shape[0]) // 2,
    )
    canvas.paste(Image.fromarray(np.ascontiguousarray(array)), place)


def _fitted(text: str, font: Any, width: float) -> str:
    """The text, shortened at its front, where a path says least."""
    if font.getlength(text) <= width:
        return text
    while len(text) > 1 and font.getlength(f"...{text}") > width:
        text = text[1:]
    return f"...{text}"
