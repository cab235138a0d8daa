"""Images and masks seen at moved places."""

import numpy as np

from keras_seg.data.augment.filling import fill_color
from keras_seg.data.classes import VOID

__all__ = ["warp"]


def warp(image, mask, rows, columns, *, color=None, void=VOID):
    """Read an image bilinearly and its mask nearest at given places.

    Pixel (y, x) of the result is what the input has at
    `(rows[y, x], columns[y, x])`; whole numbers are the centres of pixels. A
    place in none of the input's pixels, above n - 1/2 or below -1/2, is void
    in the mask and filled in the image. Half a pixel along the edges has the
    colour of the edge.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        rows: float array, of the shape of the result.
        columns: float array, the same.
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean colour.
        void: int, what the mask is filled with.

    Returns:
        Tuple (image, mask).

    Example: one pixel to the right.

    >>> import numpy as np
    >>> from keras_seg.data.augment.warping import warp
    >>> mask = np.array([[0, 1, 2]], "uint8")
    >>> rows, columns = np.zeros((1, 3)), np.array([[-1.0, 0.0, 1.0]])
    >>> warp(mask[..., None], mask, rows, columns)[1]
    array([[255,   0,   1]], dtype=uint8)
    """
    height, width = mask.shape
    nearest_row = np.floor(rows + 0.5).astype("int64")
    nearest_column = np.floor(columns + 0.5).astype("int64")
    outside = (nearest_row < 0) | (nearest_row >= height)
    outside |= (nearest_column < 0) | (nearest_column >= width)
    nearest_row.clip(0, height - 1, out=nearest_row)
    nearest_column.clip(0, width - 1, out=nearest_column)
    ids = mask.ravel().take(nearest_row * width + nearest_column)
    ids[outside] = void

    top, lower = _split(rows, height)
    left, righter = _split(columns, width)
    corner = top * width + left
    down = np.where(top < height - 1, width, 0)
    right = np.where(left < width - 1, 1, 0)
    pixels = image.reshape(height * width, -1)

    def between(first, second, share):
        first = pixels.take(first, axis=0).astype("float32")
        second = pixels.take(second, axis=0).astype("float32")
        return first + share * (second - first)

    upper_row = between(corner, corner + right, righter)
    lower_row = between(corner + down, corner + down + right, righter)
    result = upper_row + lower * (lower_row - upper_row)
    if np.issubdtype(image.dtype, np.integer):
        result = result.round()
    result = result.astype(image.dtype, copy=False)
    result[outside] = fill_color(color, image.shape[2])
    return result, ids


def _split(places, side):
    """The pixel before a place, and how far the place is beyond it."""
    places = places.clip(0, side - 1)
    before = np.floor(places)
    beyond = (places - before).astype("float32")
    return before.astype("int64"), beyond[..., None]
