"""Rotations and shifts."""

import dataclasses
import math

import numpy as np

from keras_seg.arguments import check_not_negative
from keras_seg.data.augment.filling import window
from keras_seg.data.augment.transform import Transform
from keras_seg.data.augment.warping import warp
from keras_seg.data.classes import VOID

__all__ = ["RandomRotation", "RandomShift", "rotate"]


def rotate(image, mask, degrees, *, color=None, void=VOID):
    """Turn an image and its mask about their centre; the size stays.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        degrees: float, counter-clockwise.
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean colour.
        void: int, what the mask is filled with.

    Returns:
        Tuple (image, mask); quarter turns of a square give `numpy.rot90`.
    """
    angle = math.radians(degrees)
    # In steps of 1e-15, so that quarter turns have a sine of 0 or 1.
    sine, cosine = round(math.sin(angle), 15), round(math.cos(angle), 15)
    height, width = mask.shape
    y = np.arange(height)[:, None] - (height - 1) / 2
    x = np.arange(width) - (width - 1) / 2
    rows = cosine * y + sine * x + (height - 1) / 2
    columns = cosine * x - sine * y + (width - 1) / 2
    return warp(image, mask, rows, columns, color=color, void=void)


@dataclasses.dataclass(frozen=True)
class RandomRotation(Transform):
    """Turn about the centre by a random angle; the size stays.

    Args:
        degrees: float, the largest angle to either side.
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean colour.
        void: int, what the mask is filled with.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.zeros((9, 9, 3), "uint8"), np.zeros((9, 9), "uint8")
    >>> rotation = augment.RandomRotation(45)
    >>> np.unique(rotation(image, mask, np.random.default_rng(0))[1])
    array([  0, 255], dtype=uint8)
    """

    degrees: float
    color: float | tuple[float, ...] | None = None
    void: int = VOID

    def __post_init__(self):
        check_not_negative(degrees=self.degrees)

    def __call__(self, image, mask, rng):
        degrees = rng.uniform(-self.degrees, self.degrees)
        return rotate(image, mask, degrees, color=self.color, void=self.void)


@dataclasses.dataclass(frozen=True)
class RandomShift(Transform):
    """Shift by whole pixels, drawn for each axis; the size stays.

    Args:
        pixels: int, the farthest shift to either side.
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean colour.
        void: int, what the mask is filled with.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.zeros((3, 3, 3), "uint8"), np.zeros((3, 3), "uint8")
    >>> augment.RandomShift(1)(image, mask, np.random.default_rng(0))[1]
    array([[  0,   0,   0],
           [  0,   0,   0],
           [255, 255, 255]], dtype=uint8)
    """

    pixels: int
    color: float | tuple[float, ...] | None = None
    void: int = VOID

    def __post_init__(self):
        if not isinstance(self.pixels, int | np.integer) or self.pixels < 0:
            raise ValueError(
                "`pixels` must be an int of 0 or more. "
                f"Received: pixels={self.pixels}"
            )

    def __call__(self, image, mask, rng):
        corner = rng.integers(-self.pixels, self.pixels, 2, endpoint=True)
        return window(
            image,
            mask,
            tuple(corner.tolist()),
            mask.shape,
            color=self.color,
            void=self.void,
        )
