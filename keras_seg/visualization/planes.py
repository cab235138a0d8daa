"""Drawing of masks of several labels, with a plane for each class."""

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

__all__ = ["as_planes", "contour", "paint_planes", "stripes"]

Picture = NDArray[np.uint8]

VOID = 255
OUTLINE = 0.4  # the share of white, so that dark colors can be seen too


def as_planes(mask: ArrayLike, classes: int) -> NDArray[np.uint8]:
    """A mask of several labels as uint8, with as many planes as classes."""
    planes = np.asarray(mask)
    shaped = planes.ndim == 3 and planes.size and planes.shape[2] == classes
    if not shaped or planes.dtype.kind not in "iu":
        raise ValueError(
            "`mask` of several labels must be an integer array (height, "
            f"width, {classes}), a plane for each class. Received: shape "
            f"{planes.shape}, dtype {planes.dtype}"
        )
    wrong = (planes != 0) & (planes != 1) & (planes != VOID)
    if wrong.any():
        raise ValueError(
            "`mask` of several labels must hold 0, 1 and, for void, "
            f"{VOID}. Received: {np.unique(planes[wrong])[:10].tolist()}"
        )
    return planes.astype(np.uint8)


def stripes(planes: NDArray[np.uint8]) -> tuple[NDArray, NDArray]:
    """The class that each pixel shows, in stripes where it has several.

    Diagonal stripes take the classes of a pixel in turn, so that all of them
    can be seen, however many there are.

    Args:
        planes: uint8 array `(height, width, classes)`.

    Returns:
        Tuple (int array `(height, width)` of classes, -1 where there is none;
        the number of classes of each pixel).
    """
    ones = planes == 1
    count = ones.sum(axis=2)
    height, width = count.shape
    breadth = max(2, round(min(height, width) / 40))
    turn = np.arange(height)[:, None] + np.arange(width)
    turn = turn // breadth % np.maximum(count, 1)
    shown = np.full(count.shape, -1)
    seen = np.zeros(count.shape, int)
    for k in range(planes.shape[2]):
        shown[ones[..., k] & (seen == turn)] = k
        seen += ones[..., k]
    return shown, count


def paint_planes(
    picture: Picture,
    planes: NDArray[np.uint8],
    colors: NDArray,
    alpha: float,
) -> Picture:
    """Lays the colors of the classes over a picture, and outlines each.

    Args:
        picture: uint8 array `(height, width, 3)`.
        planes: uint8 array `(height, width, classes)`.
        colors: array `(classes, 3)`.
        alpha: float, the share of color in the mixture.

    Returns:
        uint8 array `(height, width, 3)`.
    """
    colors = np.asarray(colors, float)
    shown, _ = stripes(planes)
    inside = shown >= 0
    mixed = picture.astype(float)
    mixed[inside] += alpha * (colors[shown[inside]] - mixed[inside])
    light = OUTLINE * 255 + (1 - OUTLINE) * colors
    width = max(1, round(min(shown.shape) / 400))
    # Large ones first, so that those of objects inside are seen.
    areas = (planes == 1).sum(axis=(0, 1))
    for k in np.argsort(-areas, kind="stable"):
        one = planes[..., k] == 1
        mixed[one & contour(one, width)] = light[k]
    return np.rint(mixed).astype(np.uint8)


def contour(ids: NDArray, width: int) -> NDArray[np.bool_]:
    """The pixels within `width` of another id, on both sides of an edge."""
    edge = np.zeros(ids.shape, bool)
    for step in range(1, width + 1):
        down = ids[step:] != ids[:-step]
        edge[step:] |= down
        edge[:-step] |= down
        right = ids[:, step:] != ids[:, :-step]
        edge[:, step:] |= right
        edge[:, :-step] |= right
    return edge
