"""Pixels that can be flipped without a cell being split or merged."""

import numpy as np

__all__ = ["NEIGHBOURS", "PARTS", "SIMPLE", "neighbourhoods"]

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


def _count_parts():
    """The 4-connected parts of the foreground that touch a pixel.

    Walking around it, they are counted by their ends: a neighbour by a side
    is one, unless the next two are foreground as well. It is 0 within a cell.
    """
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    sides, corners = bits[:, ::2], bits[:, 1::2]
    next_sides = np.roll(sides, -1, axis=1)
    return (sides - sides * corners * next_sides).sum(axis=1)


# By the code of the neighbours, whatever the colour of the pixel itself.
PARTS = _count_parts()

# A pixel is simple if, among its neighbours, exactly one 4-connected part of
# the foreground and one 8-connected part of the background touch it: by the
# theorem of Bertrand and Malandain, flipping it then keeps the number of
# cells and of holes. Going around, the parts take turns, so that there are as
# many of the one as of the other, but where one of them has none.
SIMPLE = tuple((PARTS == 1).tolist())


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
