"""Padding, windows and random crops."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_share
from keras_seg.arguments import pair_of
from keras_seg.data.augment.transform import Size
from keras_seg.data.augment.transform import Transform
from keras_seg.data.classes import VOID

__all__ = [
    "MEAN_COLOR",
    "BalancedCrop",
    "Filling",
    "RandomCrop",
    "fill_color",
    "pad_to",
    "window",
]

MEAN_COLOR = (124, 116, 104)  # ImageNet's mean RGB, rounded
_MEAN_GRAY = 115


def fill_color(color, channels):
    """A color as an array `(channels,)`.

    Args:
        color: a number, or one for each channel; `None` for `MEAN_COLOR` if
            there are 3 channels, and for its mean, 115, otherwise.
        channels: int.
    """
    if color is None:
        color = MEAN_COLOR if channels == 3 else _MEAN_GRAY
    color = np.asarray(color)
    if color.ndim > 1 or color.size not in (1, channels):
        raise ValueError(
            "`color` must be a number, or one for each channel. Received: "
            f"color={color.tolist()} for {channels} channels"
        )
    return np.broadcast_to(color, (channels,))


def pad_to(
    image: NDArray,
    mask: NDArray,
    size: Sequence[int],
    *,
    color: float | Sequence[float] | None = None,
    ignore_class: int = VOID,
) -> tuple[NDArray, NDArray]:
    """Pad at the bottom and the right up to a size.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        size: tuple (height, width); a side that is longer already stays.
        color, ignore_class: fill values, see `RandomCrop`.

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
    height, width = mask.shape[:2]
    size = max(height, size[0]), max(width, size[1])
    if size == (height, width):
        return image, mask
    return window(
        image, mask, (0, 0), size, color=color, ignore_class=ignore_class
    )


def window(
    image: NDArray,
    mask: NDArray,
    corner: Sequence[int],
    size: Sequence[int],
    *,
    color: float | Sequence[float] | None = None,
    ignore_class: int = VOID,
) -> tuple[NDArray, NDArray]:
    """Cut a window, filled where it reaches beyond the image.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        corner: tuple (top, left), negative if above or left of the image.
        size: tuple (height, width).
        color, ignore_class: fill values, see `RandomCrop`.

    Returns:
        Tuple (image, mask) of that size; views if nothing is filled.
    """
    spans = [
        (max(first, 0), min(first + length, side))
        for first, length, side in zip(
            corner, size, mask.shape[:2], strict=True
        )
    ]
    (top, bottom), (left, right) = spans
    inside = np.s_[top : max(top, bottom), left : max(left, right)]
    if mask[inside].shape[:2] == tuple(size):
        return image[inside], mask[inside]
    # Filling one row and copying it is sixty times as fast as filling all.
    row = np.empty((size[1], image.shape[2]), image.dtype)
    row[...] = fill_color(color, image.shape[2])
    filled = np.empty((*size, image.shape[2]), image.dtype)
    filled[...] = row
    ids = np.full((*size, *mask.shape[2:]), ignore_class, mask.dtype)
    height, width = mask[inside].shape[:2]
    top, left = max(0, -corner[0]), max(0, -corner[1])
    target = np.s_[top : top + height, left : left + width]
    filled[target] = image[inside]
    ids[target] = mask[inside]
    return filled, ids


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filling(Transform):
    """Base of transforms that fill pixels outside the image."""

    color: float | tuple[float, ...] | None = None
    ignore_class: int = VOID

    @property
    def fill(self) -> dict[str, Any]:
        """The fill values as keyword arguments."""
        return {"color": self.color, "ignore_class": self.ignore_class}


@dataclasses.dataclass(frozen=True)
class RandomCrop(Filling):
    """Cut a window at a random place, all places equally likely.

    A smaller image is first padded at the bottom and the right, as in DeepLab
    (https://arxiv.org/abs/1412.7062).

    Args:
        size: int, or tuple (height, width).
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean color.
        ignore_class: int, what the mask is filled with.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.ones((8, 8, 3), "uint8"), np.ones((8, 8), "uint8")
    >>> crop = augment.RandomCrop((4, 9))
    >>> crop(image, mask, np.random.default_rng(0))[1].shape
    (4, 9)
    """

    size: tuple[int, int]

    def __post_init__(self):
        object.__setattr__(self, "size", pair_of("size", self.size))

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        corner = self.draw(mask.shape[:2], rng)
        return window(image, mask, corner, self.size, **self.fill)

    def draw(
        self, size: Sequence[int], rng: np.random.Generator
    ) -> tuple[int, ...]:
        """Draw the corner (top, left) for an image of (height, width)."""
        return tuple(
            int(rng.integers(max(0, side - length) + 1))
            for side, length in zip(size, self.size, strict=True)
        )

    def size_after(self, size: Size) -> tuple[int, int]:
        return self.size


@dataclasses.dataclass(frozen=True)
class BalancedCrop(Filling):
    """Cut a window around a random pixel of a randomly drawn class.

    One of the mask's classes is drawn with a probability in proportion to its
    weight, then one of its pixels, uniformly; of several labels, one of the
    planes that have a 1. The window has this pixel at
    (height // 2, width // 2), unless it is moved to lie within the image,
    padded as for `RandomCrop`. If no class has a weight above 0, the window
    is a `RandomCrop`.

    Args:
        size: int, or tuple (height, width).
        weights: optional sequence of float, one for each class id from 0; 0
            for ids beyond. By default all classes are equally likely.
        probability: float, the share of windows for which a class is drawn;
            the others are a `RandomCrop`.
        color, ignore_class: see `RandomCrop`. Void is never drawn.

    Example: class 1 has one pixel, and half of the windows are around it.

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.zeros((99, 99, 3)), np.zeros((99, 99), "uint8")
    >>> mask[70, 7] = 1
    >>> crop, rng = augment.BalancedCrop(5), np.random.default_rng(0)
    >>> sum(bool(crop(image, mask, rng)[1].any()) for _ in range(100))
    59
    """

    size: tuple[int, int]
    weights: tuple[float, ...] | None = None
    probability: float = 1.0

    def __post_init__(self):
        object.__setattr__(self, "size", pair_of("size", self.size))
        check_share(probability=self.probability)
        if self.weights is not None:
            weights = tuple(float(weight) for weight in self.weights)
            object.__setattr__(self, "weights", weights)
            if not weights or not 0 <= min(weights) <= max(weights) < np.inf:
                raise ValueError(
                    "`weights` must be numbers of 0 or more, one for each "
                    f"class. Received: weights={self.weights}"
                )

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        corner = self.draw(mask, rng)
        return window(image, mask, corner, self.size, **self.fill)

    def draw(self, mask: NDArray, rng: np.random.Generator) -> tuple[int, ...]:
        """Draw the corner (top, left) for a mask."""
        chosen = None
        if rng.random() < self.probability:
            chosen = self._draw_class(mask, rng)
        if chosen is None:
            return RandomCrop(self.size).draw(mask.shape[:2], rng)
        inside = mask == chosen if mask.ndim == 2 else mask[..., chosen] == 1
        places = np.flatnonzero(inside)
        place = places[rng.integers(len(places))]
        place = np.unravel_index(place, inside.shape)
        return tuple(
            int(np.clip(center - length // 2, 0, max(0, side - length)))
            for center, length, side in zip(
                place, self.size, mask.shape[:2], strict=True
            )
        )

    def _draw_class(self, mask, rng):
        if mask.ndim == 3:
            ids = np.flatnonzero((mask == 1).any(axis=(0, 1)))
        else:
            ids = np.unique(mask)
            ids = ids[ids != self.ignore_class]
        weights = np.ones(len(ids))
        if self.weights is not None:
            table = np.array(self.weights)
            known = (ids >= 0) & (ids < len(table))
            ids = ids[known]
            weights = table[ids.astype("int64")]
        if weights.sum() == 0:
            return None
        return ids[rng.choice(len(ids), p=weights / weights.sum())]

    def size_after(self, size: Size) -> tuple[int, int]:
        return self.size
