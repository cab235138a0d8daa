"""What lies outside of an image: the mean colour, and void."""

import numpy as np

from keras_seg.data.classes import VOID

__all__ = ["MEAN_COLOR", "fill_color", "pad_to", "window"]

MEAN_COLOR = (124, 116, 104)  # ImageNet's mean RGB, rounded
_MEAN_GREY = 115


def fill_color(color, channels):
    """One number for each channel.

    Args:
        color: a number or a sequence of one number a channel; `None` for
            `MEAN_COLOR` where there are 3 channels, and its mean, 115,
            otherwise.
        channels: int.

    Returns:
        Array `(channels,)`.
    """
    if color is None:
        color = MEAN_COLOR if channels == 3 else _MEAN_GREY
    color = np.asarray(color)
    if color.ndim > 1 or color.size not in (1, channels):
        raise ValueError(
            "`color` must be a number, or one for each channel. Received: "
            f"color={color.tolist()} for {channels} channels"
        )
    return np.broadcast_to(color, (channels,))


def pad_to(image, mask, size, *, color=None, void=VOID):
    """Pad at the bottom and the right up to a size.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        size: tuple (height, width); a side that is longer already stays.
        color: what the image is filled with, see `fill_color`.
        void: int, what the mask is filled with.

    Returns:
        Tuple (image, mask).

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.ones((2, 2, 3), "uint8"), np.ones((2, 2), "uint8")
    >>> augment.pad_to(image, mask, (2, 4))[1]
    array([[  1,   1, 255, 255],
           [  1,   1, 255, 255]], dtype=uint8)
    """
    height, width = mask.shape
    size = max(height, size[0]), max(width, size[1])
    if size == (height, width):
        return image, mask
    return window(image, mask, (0, 0), size, color=color, void=void)


def window(image, mask, corner, size, *, color=None, void=VOID):
    """Cut a window that may reach beyond the image on every side.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        corner: tuple (top, left), negative above and left of the image.
        size: tuple (height, width).
        color: what the image is filled with, see `fill_color`.
        void: int, what the mask is filled with.

    Returns:
        Tuple (image, mask) of that size; views, where nothing is filled.
    """
    spans = [
        (max(first, 0), min(first + length, side))
        for first, length, side in zip(corner, size, mask.shape, strict=True)
    ]
    (top, bottom), (left, right) = spans
    inside = np.s_[top : max(top, bottom), left : max(left, right)]
    if mask[inside].shape == tuple(size):
        return image[inside], mask[inside]
    # A row is filled once and copied: three bytes at a time would take
    # sixty times as long.
    row = np.empty((size[1], image.shape[2]), image.dtype)
    row[...] = fill_color(color, image.shape[2])
    filled = np.empty((*size, image.shape[2]), image.dtype)
    filled[...] = row
    ids = np.full(size, void, mask.dtype)
    height, width = mask[inside].shape
    top, left = max(0, -corner[0]), max(0, -corner[1])
    target = np.s_[top : top + height, left : left + width]
    filled[target] = image[inside]
    ids[target] = mask[inside]
    return filled, ids
