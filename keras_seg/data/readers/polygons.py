"""Regions of pixels from polygons, ellipses and runs, and their drawing."""

import dataclasses

import numpy as np

__all__ = ["Region", "fill", "oval", "paint", "runs", "whole"]

_CHUNK = 2**22  # crossings of outlines with rows in memory at once


@dataclasses.dataclass(frozen=True)
class Region:
    """A set of pixels: a bool array, and where it lies in the image."""

    top: int
    left: int
    inside: np.ndarray

    def area(self):
        """The number of its pixels."""
        return int(np.count_nonzero(self.inside))

    def window(self):
        """Its place in the image, as a tuple of slices."""
        rows, columns = self.inside.shape
        return (
            slice(self.top, self.top + rows),
            slice(self.left, self.left + columns),
        )


def fill(outlines, size):
    """The `Region` of pixels whose centers lie in one or more polygons.

    The center of the pixel in row i and column j is at (j + 1/2, i + 1/2) of
    x and y, as in COCO, labelme's canvas and YOLO. A polygon that crosses
    itself is filled by the even-odd rule. A center on a left or upper edge is
    inside, on a right or lower edge outside, so polygons that share an edge
    neither overlap nor leave a gap.

    Args:
        outlines: list of arrays `(points, 2)` of x, y.
        size: tuple (height, width); the rest is cut off.

    Example:

    >>> from keras_seg.data.readers.polygons import fill
    >>> fill([[(0, 0), (2, 0), (2, 1), (0, 1)]], (3, 3)).area()
    2
    """
    # Moves the centers to whole numbers.
    outlines = [np.asarray(xy, "float64") - 0.5 for xy in outlines]
    points = np.concatenate(outlines)
    low, high = (
        np.clip(np.ceil(bound), 0, size[::-1]).astype("int64")
        for bound in (points.min(axis=0), points.max(axis=0))
    )
    (left, top), (columns, rows) = low, high - low
    inside = np.zeros((rows, columns), bool)
    for xy in outlines:
        inside |= _even_odd(xy - low, rows, columns)
    return Region(int(top), int(left), inside)


def oval(center, radii, size, turn=0.0):
    """The `Region` of pixels whose centers lie in an ellipse.

    `radii` are those along x and y before it is turned clockwise by degrees.
    """
    reach = max(radii)
    (left, right), (top, bottom) = (
        np.clip([c - reach, c + reach + 1], 0, side).astype("int64")
        for c, side in zip(center, size[::-1], strict=True)
    )
    x = np.arange(left, right) + 0.5 - center[0]
    y = (np.arange(top, bottom) + 0.5 - center[1])[:, None]
    if turn:
        cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
        x, y = x * cos + y * sin, y * cos - x * sin
    a, b = radii
    inside = (x * b) ** 2 + (y * a) ** 2 < (a * b) ** 2
    return whole(inside, int(top), int(left))


def runs(counts, size):
    """The `Region` of COCO's uncompressed run lengths.

    The runs go down the columns, zeros first, and add up to all pixels.
    """
    ends = np.cumsum(counts)
    ones = np.flatnonzero(counts[1::2]) * 2 + 1
    if not len(ones):
        return Region(0, 0, np.zeros((0, 0), bool))
    # Draws only the columns with ones.
    height = size[0]
    left = int(ends[ones[0] - 1]) // height
    right = -(-int(ends[ones[-1]]) // height)
    edges = np.concatenate([[0], ends]).clip(left * height, right * height)
    values = np.arange(len(counts)) % 2 == 1
    pixels = np.repeat(values, np.diff(edges))
    return whole(pixels.reshape(-1, height).T, 0, left)


def whole(inside, top=0, left=0):
    """A bool array as a `Region`, cut to its true pixels."""
    rows = np.flatnonzero(inside.any(axis=1))
    columns = np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return Region(top, left, inside[:0, :0])
    first, last = (rows[0], columns[0]), (rows[-1] + 1, columns[-1] + 1)
    window = inside[first[0] : last[0], first[1] : last[1]].copy()
    return Region(top + int(first[0]), left + int(first[1]), window)


def paint(regions, size, background, by_area=True):
    """Draw regions of ids over each other, into a uint16 array.

    Args:
        regions: iterable of tuples (`Region`, id).
        size: tuple (height, width).
        background: int, the id of all other pixels, or an array of ids.
        by_area: bool, whether smaller regions cover larger ones. Otherwise,
            and if they are equal, later ones cover earlier ones.
    """
    ids = np.full(size, background, "uint16")
    areas = np.full(ids.shape, ids.size, "int64") if by_area else None
    for region, value in regions:
        window = region.window()
        inside = region.inside
        if areas is not None:
            inside = inside & (areas[window] >= region.area())
            areas[window][inside] = region.area()
        ids[window][inside] = value
    return ids


def _even_odd(xy, rows, columns):
    """Which points of the integer grid lie inside, by parity of crossings."""
    start, end = xy, np.roll(xy, -1, axis=0)
    # From the upper end, so both polygons at an edge round it alike.
    turned = (start[:, 1] > end[:, 1])[:, None]
    start, end = np.where(turned, end, start), np.where(turned, start, end)
    first = np.ceil(start[:, 1]).clip(0, rows).astype("int64")
    count = np.ceil(end[:, 1]).clip(0, rows).astype("int64") - first
    cells = rows * (columns + 1)
    odd = np.zeros(0, bool)
    parts = 1 + int(count.sum()) // _CHUNK
    for part in np.array_split(np.flatnonzero(count), parts):
        edge = np.repeat(part, count[part])
        steps = np.arange(len(edge)) - np.repeat(
            np.cumsum(count[part]) - count[part], count[part]
        )
        row = first[edge] + steps
        (x0, y0), (x1, y1) = start[edge].T, end[edge].T
        x = x0 + (row - y0) / (y1 - y0) * (x1 - x0)
        column = np.ceil(x).clip(0, columns).astype("int64")
        crossings = np.sort(row * (columns + 1) + column)
        if parts > 1:  # Two crossings at one place cancel.
            times = np.bincount(crossings, minlength=cells) % 2 == 1
            odd = odd ^ times if odd.size else times
            crossings = np.flatnonzero(odd)
    # A closed outline crosses each row an even number of times, so every row
    # begins outside.
    lengths = np.diff(crossings, prepend=0, append=cells)
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return inside.reshape(rows, columns + 1)[:, :-1]
