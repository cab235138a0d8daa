"""The distinct colours of images, and how many pixels have each.

A photograph has two to four times as many pixels as colours, and k-means of
the colours, weighted by their pixels, is k-means of the pixels.
"""

import numpy as np

from keras_seg.unsupervised.pictures import tiles

__all__ = ["count_rows", "distinct_of_tile", "rows_of_tile"]


def count_rows(pictures, position):
    """Counts the pixels of each colour, or of each colour at each place.

    Args:
        pictures: iterable of arrays `(height, width, channels)` of one dtype.
        position: bool, whether a row has the place too.

    Returns:
        Tuple (rows, counts): float64 array `(n, channels)`, or
        `(n, channels + 2)` with x and y in pixels; int64 array `(n,)`.
    """
    parts = []
    for picture in pictures:
        for tile in tiles(*picture.shape[:2]):
            if position:  # Within an image every row is distinct.
                keys = rows_of_tile(picture, tile, position)
                parts.append((keys, np.ones(len(keys), np.int64)))
            else:
                parts.append(_counted(_keys(picture[tile])))
    keys, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
    if len(parts) > 1:
        keys, counts = _merged(keys, counts)
    return _rows(keys, picture), counts


def distinct_of_tile(picture, tile):
    """The distinct colours of a tile of integers, and which a pixel has.

    Args:
        picture: integer array `(height, width, channels)`.
        tile: tuple of two slices.

    Returns:
        Tuple (rows, inverse): float64 array `(n, channels)`, and the index of
        each pixel's row, an int array `(pixels,)`.
    """
    keys, inverse = np.unique(_keys(picture[tile]), return_inverse=True)
    return _rows(keys, picture), inverse


def rows_of_tile(picture, tile, position):
    """The colour, and the place if asked for, of each pixel of a tile.

    Args:
        picture: array `(height, width, channels)`.
        tile: tuple of two slices.
        position: bool.

    Returns:
        float64 array `(pixels, channels)` or `(pixels, channels + 2)`.
    """
    colors = picture[tile]
    height, width, channels = colors.shape
    rows = np.empty((height, width, channels + 2 * position))
    rows[..., :channels] = colors
    if position:
        top, left = (side.start for side in tile)
        rows[..., -2] = np.arange(left, left + width)
        rows[..., -1] = np.arange(top, top + height)[:, None]
    return rows.reshape(height * width, -1)


def _keys(colors):
    """An integer for each pixel of integers, else its row."""
    if colors.dtype.kind == "f":
        return colors.reshape(-1, colors.shape[2])
    bits = 8 * colors.itemsize
    wide = bits * colors.shape[2] > 32
    keys = colors[..., 0].astype(np.uint64 if wide else np.uint32)
    for channel in range(1, colors.shape[2]):
        keys <<= bits
        keys |= colors[..., channel]
    return keys.ravel()


def _rows(keys, picture):
    if keys.ndim == 2:
        return keys.astype(np.float64, copy=False)
    bits = 8 * picture.itemsize
    rows = np.empty((len(keys), picture.shape[2]))
    for channel in reversed(range(picture.shape[2])):
        rows[:, channel] = keys & (2**bits - 1)
        keys = keys >> bits
    return rows


def _counted(keys):
    """Each key once, and how often it occurs."""
    if keys.ndim == 1:  # Faster than the general way by a half.
        return np.unique(keys, return_counts=True)
    return _merged(keys, np.ones(len(keys), np.int64))


def _merged(keys, counts):
    """Each key once, with the sum of its counts."""
    if keys.ndim == 1:
        order = np.argsort(keys)
    else:  # NumPy's unique with an axis takes five times as long.
        order = np.lexsort(keys.T[::-1])
    keys = keys[order]
    changed = keys[1:] != keys[:-1]
    if keys.ndim == 2:
        changed = changed.any(axis=1)
    starts = np.flatnonzero(np.concatenate([[True], changed]))
    return keys[starts], np.add.reduceat(counts[order], starts)
