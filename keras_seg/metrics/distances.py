"""Distances in masks, by SciPy."""

import numpy as np

from keras_seg.lazy import optional

__all__ = ["chessboard_distance", "contour", "euclidean_distance"]


def chessboard_distance(target):
    """The distance of each pixel to the nearest one of a set.

    Counted in steps of a king: a pixel is within distance `w` if a square of
    side `2·w + 1` around it has one of the set.

    Args:
        target: bool array `(height, width)`.

    Returns:
        int array, 0 in the set; the largest int32 where it is empty.
    """
    if not target.any():
        return np.full(target.shape, np.iinfo(np.int32).max)
    return _ndimage().distance_transform_cdt(~target, metric="chessboard")


def euclidean_distance(target):
    """The same in pixels along a straight line; infinite if it is empty."""
    if not target.any():
        return np.full(target.shape, np.inf)
    return _ndimage().distance_transform_edt(~target)


def contour(region, known):
    """The pixels of a region with a neighbour, by a side, outside of it.

    The frame of the image is no outside, nor is what is not known.

    Args:
        region: bool array `(height, width)`.
        known: bool array of that shape, where a contour can be.

    Returns:
        bool array.
    """
    padded = np.pad(region | ~known, 1, constant_values=True)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1]
    inside &= padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & known & ~inside


def _ndimage():
    return optional("scipy.ndimage", "classical", "A score along boundaries")
