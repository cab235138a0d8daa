"""Pixels that can be flipped without a cell being split or merged."""

import numpy as np

__all__ = ["NEIGHBOURS", "SIMPLE", "neighbourhoods"]

# Counter-clockwise from the right: at an even place are those that share a
# side, at an odd one those that share a corner.
NEIGHBOURS = (
    (0, 1),
    (-1, 1),
    (-1, 0),
    (-1, -1),
    (0, -1),
    (1, -1),
    (1, 0),
    (1, 1),
)


def _simple_table():
    """The simple points, by the code of their 8 neighbours.

    A pixel is simple if, among its neighbours, exactly one 4-connected part
    of the foreground and one 8-connected part of the background touch it. By
    the theorem of Bertrand and Malandain, changing its colour then keeps the
    number of cells and of holes. Walking around the pixel, the parts of the
    foreground are counted by their ends: a neighbour by a side begins one,
    unless both of the next two are foreground as well. It is 0 for a pixel
    within a cell, and the background's parts are as many where there are any.
    """
    codes = np.arange(256)[:, None]
    bits = codes >> np.arange(8) & 1
    sides, corners = bits[:, ::2], bits[:, 1::2]
    next_sides = np.roll(sides, -1, axis=1)
    parts = (sides - sides * corners * next_sides).sum(axis=1)
    return (parts == 1).tolist()


# By the code of the neighbours, whatever the colour of the pixel.
SIMPLE = tuple(_simple_table())


def neighbourhoods(foreground):
    """Encodes the 8 neighbours of each pixel, those outside as background.

    Args:
        foreground: bool array `(h, w)`.

    Returns:
        uint8 array `(h, w)`, the place of each in `SIMPLE`.

    Example: of the two at the ends, each can go; the one between them can't

    >>> import numpy as np
    >>> codes = neighbourhoods(np.array([[True, True, True]]))
    >>> codes.tolist(), [SIMPLE[code] for code in codes[0]]
    ([[1, 17, 16]], [True, False, True])
    """
    padded = np.pad(foreground, 1).astype(np.uint8)
    height, width = foreground.shape
    codes = np.zeros(foreground.shape, np.uint8)
    for place, (y, x) in enumerate(NEIGHBOURS):
        shifted = padded[1 + y : 1 + y + height, 1 + x : 1 + x + width]
        codes |= shifted << place
    return codes
