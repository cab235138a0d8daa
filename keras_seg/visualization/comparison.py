"""Sheets of images, their masks, predictions and errors."""

from collections.abc import Iterable
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray
from PIL import Image

from keras_seg.visualization.coloring import VOID
from keras_seg.visualization.coloring import VOID_COLOR
from keras_seg.visualization.coloring import Picture
from keras_seg.visualization.coloring import as_shown
from keras_seg.visualization.coloring import colorize
from keras_seg.visualization.sheets import legend
from keras_seg.visualization.sheets import panel

if TYPE_CHECKING:
    from keras_seg.data import ClassTable

__all__ = ["comparison", "errors"]

WRONG = (230, 0, 230)  # magenta: no class of VOC is near it


def errors(
    image: ArrayLike, truth: ArrayLike, prediction: ArrayLike
) -> Picture:
    """Marks the pixels that got a wrong class.

    Wrong pixels are magenta, void ones have the color of void, correct ones
    show the image, gray and pale. Of several labels, a pixel is wrong if one
    of them is, and void if all of them are.

    Args:
        image: array `(height, width, 3)`, or gray, RGB in 0...255.
        truth: integer array `(height, width)`, class ids, 255 is void; or
            `(height, width, classes)` of several labels.
        prediction: integer array of the same shape, without void.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if the three differ in height or width.

    Example:

    >>> errors(np.zeros((1, 3)), [[0, 1, 255]], [[0, 0, 0]])[0].tolist()
    [[140, 140, 140], [230, 0, 230], [224, 224, 192]]
    """
    picture, true, found = as_shown(image), np.asarray(truth), prediction
    found = np.asarray(found)
    if picture.shape[:2] != true.shape[:2] or true.shape != found.shape:
        raise ValueError(
            "`image`, `truth` and `prediction` must have the same height and "
            f"width. Received: {picture.shape[:2]}, {true.shape} and "
            f"{found.shape}"
        )
    gray = picture.mean(axis=2, keepdims=True)
    canvas = np.repeat(140 + 0.45 * gray, 3, axis=2).astype(np.uint8)
    wrong, void = _wrong(true, found)
    canvas[wrong] = WRONG
    canvas[void] = VOID_COLOR
    return canvas


def _wrong(
    truth: ArrayLike, prediction: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pixels are wrong, and which are void."""
    void = np.asarray(truth) == VOID
    wrong = (np.asarray(truth) != np.asarray(prediction)) & ~void
    if wrong.ndim == 3:
        return wrong.any(axis=2), void.all(axis=2)
    return wrong, void


def comparison(
    examples: Sequence[tuple[str, ArrayLike, ArrayLike, ArrayLike]],
    class_table: "ClassTable",
    side: int = 256,
) -> Picture:
    """Draws image, truth, prediction and error, a row for each example.

    Below them is a legend of the classes in the masks. The title of the last
    column is the share of wrong pixels, without void.

    Args:
        examples: sequence of tuples `(title, image, truth, prediction)`, see
            `errors`.
        class_table: `keras_seg.data.ClassTable`.
        side: int, pixels; larger images are shrunk to this longer side, masks
            by the nearest pixel.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if there is no example, or one is malformed.
    """
    if not examples:
        raise ValueError("`examples` must hold one at least. Received: none")
    colors = np.asarray(class_table.colors)
    rows = [_row(example, colors, side) for example in examples]
    masks = [np.asarray(mask) for example in examples for mask in example[2:]]
    if masks[0].ndim == 3:
        present = [np.flatnonzero((x == 1).any(axis=(0, 1))) for x in masks]
        # Void is seen where there is no class.
        unknown = any(
            ((mask == VOID).any(axis=2) & ~(mask == 1).any(axis=2)).any()
            for mask in masks
        )
        present.append(np.array([VOID][:unknown], int))
    else:
        present = [np.ravel(mask) for mask in masks]
    ids = np.unique(np.concatenate(present))
    key = _key(ids, class_table, colors, max(row.shape[1] for row in rows))
    gap = np.full((8, 1, 3), 255, np.uint8)
    parts = [part for row in rows for part in (row, gap)] + [key]
    width = max(part.shape[1] for part in parts)
    return np.concatenate(
        [
            np.pad(
                part,
                ((0, 0), (0, width - part.shape[1]), (0, 0)),
                constant_values=255,
            )
            for part in parts
        ]
    )


def _row(example: tuple, colors: np.ndarray, side: int) -> Picture:
    title, image, truth, prediction = example
    wrong, void = _wrong(truth, prediction)
    share = wrong.sum() / max(1, (~void).sum())
    marks = errors(image, truth, prediction)
    picture = as_shown(image)
    longest = max(picture.shape[:2])
    scale = min(1.0, side / longest)
    # Wider than their titles, so that columns stand below each other.
    scale = max(scale, min(8.0, 160 / picture.shape[1]) if longest < 160 else 0)
    height, width = (max(1, round(scale * n)) for n in picture.shape[:2])
    nearest = Image.Resampling.NEAREST
    smooth = Image.Resampling.LANCZOS if scale < 1 else nearest
    masks = colorize(truth, colors), colorize(prediction, colors), marks
    pictures = [_resize(picture, (width, height), smooth)] + [
        _resize(mask, (width, height), nearest) for mask in masks
    ]
    titles = [title, "truth", "prediction", f"error: {100 * share:.1f} %"]
    return panel(pictures, titles)


def _key(
    ids: Iterable[int],
    class_table: "ClassTable",
    colors: np.ndarray,
    width: int,
) -> Picture:
    """The legend, in as many columns as fit below the rows."""
    names = [class_table.names[i] for i in ids if i != VOID] + ["wrong"]
    swatches = [colors[i] for i in ids if i != VOID] + [np.array(WRONG)]
    if VOID in ids:
        names.append("void")
        swatches.append(np.array(VOID_COLOR))
    for lines in range(1, len(names)):
        key = legend(names, np.stack(swatches), height=24 * lines)
        if key.shape[1] <= width:
            return key
    return legend(names, np.stack(swatches))


def _resize(
    picture: Picture, size: tuple[int, int], how: Image.Resampling
) -> Picture:
    return np.asarray(Image.fromarray(picture).resize(size, how))
