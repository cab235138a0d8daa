"""Outlines of the regions of a mask, simplified without losing a pixel."""

import itertools
from collections.abc import Collection
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.lazy import optional

__all__ = [
    "Outline",
    "Outlined",
    "area_of",
    "check_ids",
    "one_ring",
    "outlines",
]

_SAME = 1e-9  # pixels; points nearer to a line lie on it


class Outline(NamedTuple):
    """The outline of one region, 4-connected pixels of one id.

    Args:
        id: int.
        rings: list of float64 arrays `(points, 2)` of x and y in pixels from
            the upper left corner of the image: the outer ring, and one for
            each hole, which turns the other way. The last point is joined to
            the first one.
    """

    id: int
    rings: list[NDArray[np.float64]]


class Outlined(NamedTuple):
    """An image and the outlines in it.

    Args:
        name: str, the name of the image in the file: for labelme the path from
            the file to the image.
        size: tuple (height, width).
        outlines: list of `Outline`.
        place: optional tuple of the coordinate system and the transform of the
            image, see `keras_seg.data.geotiff.place_of`.
    """

    name: str
    size: tuple[int, int]
    outlines: list[Outline]
    place: Any = None


def outlines(
    mask: ArrayLike,
    tolerance: float = 0.5,
    leave_out: Collection[int] = (),
) -> list[Outline]:
    """Finds the outlines of the regions of a mask, with their holes.

    Regions of one id that touch at a corner are two. Lines are simplified by
    [Douglas and Peucker's algorithm](https://doi.org/10.3138/FM57-6770-U75U-7727):
    each point of the borders of the pixels is nearer than `tolerance` to the
    simplified line. Up to half a pixel, no line crosses the center of a
    pixel, so that a reader that fills polygons by the centers of pixels gets
    the mask back, exactly. Two neighbors have the same points along their
    common border, so there are no gaps. Above half a pixel lines may cross
    each other, and a ring that would vanish is not simplified.

    Args:
        mask: array `(height, width)` of integers.
        tolerance: float, pixels, at least 0: none. Defaults to 0.5.
        leave_out: ids without outlines, such as that of the background.
            Defaults to none.

    Returns:
        List of `Outline`.

    Raises:
        ImportError: If rasterio is missing.
        ValueError: If the mask is not two-dimensional or has no integers, or
            the tolerance is negative.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import outlines
    >>> mask = np.zeros((6, 6), "uint8")
    >>> mask[1:6, 1:6] = 1
    >>> mask[3, 3] = 0
    >>> one, = outlines(mask, leave_out=[0])
    >>> one.id, [ring.tolist() for ring in one.rings][1]
    (1, [[3.0, 3.0], [4.0, 3.0], [4.0, 4.0], [3.0, 4.0]])
    """
    features = optional("rasterio.features", "geo", "`outlines`")
    ids = check_ids("mask", mask)
    if not 0 <= tolerance < np.inf:
        raise ValueError(
            "`tolerance` must be at least 0 pixels. "
            f"Received: tolerance={tolerance}"
        )
    junctions = _junctions(ids)
    shapes = features.shapes(
        ids, ~np.isin(ids, list(leave_out)), connectivity=4
    )
    return [
        Outline(
            int(value),
            [
                _simplified(np.array(ring[:-1]), junctions, tolerance)
                for ring in shape["coordinates"]
            ],
        )
        for shape, value in shapes
    ]


def one_ring(rings: list[NDArray]) -> NDArray[np.float64]:
    """Joins holes to the outer ring by lines that are drawn back and forth.

    For formats whose polygons have one ring: filled by the even-odd rule or by
    winding numbers, it has the same pixels.

    Args:
        rings: list of arrays `(points, 2)`, see `Outline`.

    Returns:
        Array `(points, 2)`.
    """
    joined = rings[0]
    for hole in rings[1:]:
        near = int(np.abs(joined - hole[0]).sum(axis=1).argmin())
        parts = joined[: near + 1], hole, hole[:1], joined[near:]
        joined = np.concatenate(parts)
    return joined


def check_ids(name: str, mask: ArrayLike) -> NDArray[np.int32]:
    """An argument that must be a mask of integers or bools, as integers."""
    ids = np.asarray(mask)
    if ids.ndim != 2 or ids.dtype.kind not in "iub":
        raise ValueError(
            f"`{name}` must be an array (height, width) of integers. "
            f"Received: shape {ids.shape}, {ids.dtype}"
        )
    return ids.astype("int32")


def _junctions(ids: NDArray) -> NDArray[np.bool_]:
    """Corners of pixels `(height + 1, width + 1)` with three borders or four.

    The borders that two regions share begin and end there.
    """
    around = np.pad(ids, 1, constant_values=ids.min(initial=0) - 1)
    down = around[1:] != around[:-1]
    right = around[:, 1:] != around[:, :-1]
    count = down[:, 1:].astype("uint8") + down[:, :-1]
    return np.asarray(count + right[1:] + right[:-1] > 2)


def _simplified(
    corners: NDArray, junctions: NDArray, tolerance: float
) -> NDArray:
    """A ring of corners, simplified alike from both of its sides."""
    line, fixed, free = _candidates(corners, junctions, tolerance)
    anchors = np.flatnonzero(fixed)
    if not len(anchors):
        order = np.lexsort((*line.T, ~free))
        anchors = order[:1]
    line, free = (np.roll(x, -anchors[0], axis=0) for x in (line, free))
    line, free = np.append(line, line[:1], axis=0), np.append(free, free[0])
    chosen = np.zeros(len(line), bool)
    ends = [*(anchors - anchors[0]), len(line) - 1]
    for first, last in itertools.pairwise(ends):
        part = slice(first, last + 1)
        way = line[part].tolist()
        step = 1 if way[:2] <= way[:-3:-1] else -1
        found = _peucker(line[part][::step], free[part][::step], tolerance)
        chosen[part] |= found[::step]
    found = line[:-1][chosen[:-1]]
    return found if area_of(found) * area_of(corners) > 0 else corners


def _candidates(
    corners: NDArray, junctions: NDArray, tolerance: float
) -> tuple[NDArray, NDArray, NDArray]:
    """The points of a ring, which of them are fixed, and which may be kept.

    Of a staircase the middles of its steps may be, since the line that was
    drawn there runs through them. Other corners may be if the next points on
    both sides, joined, would be too far from them.
    """
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.abs(sides).sum(axis=1).astype("int64")
    steps = np.repeat(sides / lengths[:, None], lengths, axis=0)
    line = corners[0] + np.cumsum(steps, axis=0) - steps
    x, y = line.astype("int64").T
    turns = np.roll(steps, 1, axis=0)
    turns = turns[:, 0] * steps[:, 1] - turns[:, 1] * steps[:, 0]
    used = (turns != 0) | junctions[y, x]
    line, turns, fixed = line[used], turns[used], junctions[y, x][used]
    ahead = np.roll(line, -1, axis=0)
    inner = ~(fixed | np.roll(fixed, -1))
    opposite = turns != np.roll(turns, -1)
    stairs = inner & opposite
    legs = np.abs(ahead - line).sum(axis=1) / np.where(stairs, 2, 1)
    before = np.roll(legs, 1)
    far = legs * before >= tolerance * np.hypot(legs, before)
    caps = inner & ~opposite
    free = fixed | caps | np.roll(caps, 1) | far
    line = np.stack([line, (line + ahead) / 2], axis=1).reshape(-1, 2)
    fixed = np.stack([fixed, np.zeros_like(fixed)], axis=1).ravel()
    return line, fixed, np.stack([free, stairs], axis=1).ravel()


def _peucker(
    line: NDArray, free: NDArray, tolerance: float
) -> NDArray[np.bool_]:
    """Which points Douglas and Peucker keep, of those that are free."""
    chosen = np.zeros(len(line), bool)
    chosen[[0, -1]] = True
    parts = [(0, len(line) - 1)]
    while parts:
        first, last = parts.pop()
        inside = free[first + 1 : last]
        if not inside.any():
            continue
        start, side = line[first], line[last] - line[first]
        away = line[first + 1 : last] - start
        share = away @ side / max(side @ side, _SAME)
        away = away - np.clip(share, 0, 1)[:, None] * side
        squares = np.square(away).sum(axis=1)
        if squares.max() < max(tolerance**2, _SAME):
            continue
        middle = first + 1 + int(np.where(inside, squares, -1).argmax())
        chosen[middle] = True
        parts += [(first, middle), (middle, last)]
    return chosen


def area_of(ring: NDArray) -> float:
    """The area of a ring, by the shoelace formula; the sign is its sense."""
    x, y = ring.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
