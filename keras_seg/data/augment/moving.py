"""Flips, quarter turns and shifts: every pixel keeps its value."""

import dataclasses

import numpy as np

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_share
from keras_seg.data.augment.cropping import window
from keras_seg.data.augment.transform import Transform
from keras_seg.data.classes import VOID

__all__ = ["RandomFlip", "RandomQuarterTurns", "RandomShift"]


@dataclasses.dataclass(frozen=True)
class RandomShift(Transform):
    """Shift by whole pixels, drawn for each axis; the size stays.

    Args:
        pixels: int, the farthest shift to either side.
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean color.
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
        check_integer(0, pixels=self.pixels)

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


@dataclasses.dataclass(frozen=True)
class RandomFlip(Transform):
    """Mirror left and right, or top and bottom, as often as said.

    Args:
        horizontal: float, how often left and right are exchanged.
        vertical: float, how often top and bottom are.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> mask = np.arange(3, dtype="uint8")[None]
    >>> image = np.repeat(mask[..., None], 3, axis=-1)
    >>> flip = augment.RandomFlip(horizontal=1.0)
    >>> flip(image, mask, np.random.default_rng(0))[1]
    array([[2, 1, 0]], dtype=uint8)
    """

    horizontal: float = 0.5
    vertical: float = 0.0

    def __post_init__(self):
        check_share(horizontal=self.horizontal, vertical=self.vertical)

    def __call__(self, image, mask, rng):
        if rng.random() < self.horizontal:
            image, mask = image[:, ::-1], mask[:, ::-1]
        if rng.random() < self.vertical:
            image, mask = image[::-1], mask[::-1]
        return image, mask


@dataclasses.dataclass(frozen=True)
class RandomQuarterTurns(Transform):
    """Turn by 0, 90, 180 or 270 degrees, each equally likely.

    For pictures without an up, such as those of a microscope. The sides of
    an image that is not square are exchanged by every second turn.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> mask = np.arange(4, dtype="uint8").reshape(2, 2)
    >>> image = np.repeat(mask[..., None], 3, axis=-1)
    >>> turn, rng = augment.RandomQuarterTurns(), np.random.default_rng(0)
    >>> len({turn(image, mask, rng)[1].tobytes() for _ in range(50)})
    4
    """

    def __call__(self, image, mask, rng):
        turns = int(rng.integers(4))
        return np.rot90(image, turns), np.rot90(mask, turns)

    def size_after(self, size):
        return size if isinstance(size, tuple) and size[0] == size[1] else None
