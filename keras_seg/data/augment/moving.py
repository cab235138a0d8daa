"""Spatial augmentation: flips, turns, shifts, rotation, deformation."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_not_negative
from keras_seg.arguments import check_share
from keras_seg.data.augment.cropping import Filling
from keras_seg.data.augment.cropping import fill_color
from keras_seg.data.augment.cropping import window
from keras_seg.data.augment.transform import Size
from keras_seg.data.augment.transform import Transform
from keras_seg.data.augment.transform import cast
from keras_seg.data.classes import VOID

__all__ = [
    "ElasticDeformation",
    "RandomFlip",
    "RandomQuarterTurns",
    "RandomRotation",
    "RandomShift",
    "cubic_weights",
    "rotate",
    "warp",
]


@dataclasses.dataclass(frozen=True)
class RandomShift(Filling):
    """Shift by a random number of whole pixels along each axis.

    Args:
        pixels: int, the largest shift in either direction.
        color, ignore_class: fill values, see `RandomCrop`.

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

    def __post_init__(self):
        check_integer(0, pixels=self.pixels)

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        corner = rng.integers(-self.pixels, self.pixels, 2, endpoint=True)
        return window(image, mask, corner.tolist(), mask.shape[:2], **self.fill)


@dataclasses.dataclass(frozen=True)
class RandomFlip(Transform):
    """Flip left and right, and top and bottom, at random.

    Args:
        horizontal: float, the probability of flipping left and right.
        vertical: float, the probability of flipping top and bottom.

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

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        if rng.random() < self.horizontal:
            image, mask = image[:, ::-1], mask[:, ::-1]
        if rng.random() < self.vertical:
            image, mask = image[::-1], mask[::-1]
        return image, mask


@dataclasses.dataclass(frozen=True)
class RandomQuarterTurns(Transform):
    """Turn by 0, 90, 180 or 270 degrees, each equally likely.

    For images without an upright direction, such as a microscope's. Turns by
    90 and 270 degrees exchange height and width.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> mask = np.arange(4, dtype="uint8").reshape(2, 2)
    >>> image = np.repeat(mask[..., None], 3, axis=-1)
    >>> turn, rng = augment.RandomQuarterTurns(), np.random.default_rng(0)
    >>> len({turn(image, mask, rng)[1].tobytes() for _ in range(50)})
    4
    """

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        turns = int(rng.integers(4))
        return np.rot90(image, turns), np.rot90(mask, turns)

    def size_after(self, size: Size) -> Size:
        return size if isinstance(size, tuple) and size[0] == size[1] else None


def warp(image, mask, rows, columns, *, color=None, ignore_class=VOID):
    """Sample an image bilinearly and its mask by nearest neighbor.

    Pixel (y, x) of the result is the input at `(rows[y, x], columns[y, x])`;
    whole numbers are centers of pixels. Places outside the input, below -1/2
    or above n - 1/2, are filled; within half a pixel of the edges the image
    has the color of the edge.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        rows, columns: float arrays of the shape of the result.
        color, ignore_class: fill values, see `RandomCrop`.

    Returns:
        Tuple (image, mask).

    Example: one pixel to the right.

    >>> import numpy as np
    >>> from keras_seg.data.augment.moving import warp
    >>> mask = np.array([[0, 1, 2]], "uint8")
    >>> rows, columns = np.zeros((1, 3)), np.array([[-1.0, 0.0, 1.0]])
    >>> warp(mask[..., None], mask, rows, columns)[1]
    array([[255,   0,   1]], dtype=uint8)
    """
    height, width = mask.shape[:2]
    nearest_row = np.floor(rows + 0.5).astype("int64")
    nearest_column = np.floor(columns + 0.5).astype("int64")
    outside = (nearest_row < 0) | (nearest_row >= height)
    outside |= (nearest_column < 0) | (nearest_column >= width)
    nearest_row.clip(0, height - 1, out=nearest_row)
    nearest_column.clip(0, width - 1, out=nearest_column)
    nearest = nearest_row * width + nearest_column
    ids = mask.reshape(height * width, *mask.shape[2:]).take(nearest, axis=0)
    ids[outside] = ignore_class

    top, down = _split(rows, height)
    left, right = _split(columns, width)
    upper_left = top * width + left
    upper_right = upper_left + (left < width - 1)
    below = np.where(top < height - 1, width, 0)
    result = np.empty((*ids.shape[:2], image.shape[2]), image.dtype)
    # Planes are several times as fast as pixels of a few channels.
    for channel in range(image.shape[2]):
        plane = image[..., channel].ravel()
        upper = _between(plane, upper_left, upper_right, right)
        lower = _between(plane, upper_left + below, upper_right + below, right)
        result[..., channel] = cast(upper + down * (lower - upper), image.dtype)
    result[outside] = fill_color(color, image.shape[2])
    return result, ids


def _between(plane, first, second, share):
    """Values at a share of the way from the first places to the second."""
    values = plane.take(first).astype("float32")
    return values + share * (plane.take(second).astype("float32") - values)


def _split(places, side):
    """The pixel at or before each place, and the distance to the place."""
    places = places.clip(0, side - 1)
    before = np.floor(places)
    beyond = (places - before).astype("float32")
    return before.astype("int64"), beyond


def rotate(
    image: NDArray,
    mask: NDArray,
    degrees: float,
    *,
    color: float | Sequence[float] | None = None,
    ignore_class: int = VOID,
) -> tuple[NDArray, NDArray]:
    """Rotate an image and its mask about their center, keeping the size.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        degrees: float, counter-clockwise.
        color, ignore_class: fill values, see `RandomCrop`.

    Returns:
        Tuple (image, mask); quarter turns of a square give `numpy.rot90`.
    """
    angle = math.radians(degrees)
    # Rounded, so that quarter turns have a sine of 0 or 1.
    sine, cosine = round(math.sin(angle), 15), round(math.cos(angle), 15)
    height, width = mask.shape[:2]
    y = np.arange(height)[:, None] - (height - 1) / 2
    x = np.arange(width) - (width - 1) / 2
    rows = cosine * y + sine * x + (height - 1) / 2
    columns = cosine * x - sine * y + (width - 1) / 2
    return warp(
        image, mask, rows, columns, color=color, ignore_class=ignore_class
    )


@dataclasses.dataclass(frozen=True)
class RandomRotation(Filling):
    """Rotate about the center by a random angle, keeping the size.

    Args:
        degrees: float, the largest angle in either direction.
        color, ignore_class: fill values, see `RandomCrop`.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.zeros((9, 9, 3), "uint8"), np.zeros((9, 9), "uint8")
    >>> rotation = augment.RandomRotation(45)
    >>> np.unique(rotation(image, mask, np.random.default_rng(0))[1])
    array([  0, 255], dtype=uint8)
    """

    degrees: float

    def __post_init__(self):
        check_not_negative(degrees=self.degrees)

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        degrees = rng.uniform(-self.degrees, self.degrees)
        return rotate(image, mask, degrees, **self.fill)


def cubic_weights(count, nodes):
    """Weights of cubic interpolation between equally spaced nodes.

    Keys' cubic convolution with a = -1/2 (https://doi.org/10.1109/
    TASSP.1981.1163711): for t of 0..1 between nodes 0 and 1,

        f(t) = f0 + t (s0 + t (3 (f1 - f0) - 2 s0 - s1
                               + t (2 (f0 - f1) + s0 + s1)))

    with the slopes s0 = (f1 - f-1) / 2 and s1 = (f2 - f0) / 2. The first
    and the last node lie on the first and the last pixel, and are repeated
    beyond them.

    Args:
        count: int, pixels along an axis.
        nodes: int, nodes along it, at least 2.

    Returns:
        float64 array `(count, nodes)`, whose rows sum to 1.
    """
    places = np.linspace(0, nodes - 1, count)
    first = np.minimum(places.astype("int64"), nodes - 2)
    t = places - first
    taps = np.stack(
        [
            t * (-1 + t * (2 - t)) / 2,
            1 + t * t * (-5 + 3 * t) / 2,
            t * (1 + t * (4 - 3 * t)) / 2,
            t * t * (t - 1) / 2,
        ]
    )
    weights = np.zeros((count, nodes))
    for offset, tap in zip((-1, 0, 1, 2), taps, strict=True):
        node = (first + offset).clip(0, nodes - 1)
        weights[np.arange(count), node] += tap
    return weights


@dataclasses.dataclass(frozen=True)
class ElasticDeformation(Filling):
    """Deform image and mask by smooth random displacements.

    As in U-Net (https://arxiv.org/abs/1505.04597, section 3.1), displacements
    are drawn from a Gaussian on a coarse grid and interpolated bicubically to
    every pixel, see `cubic_weights`. The image is then sampled bilinearly,
    the mask by nearest neighbor.

    Args:
        grid: int, nodes along each side, at least 2; the outer ones lie on
            the edges.
        sigma: float, standard deviation of the displacements in pixels.
        color, ignore_class: fill values, see `RandomCrop`.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image = np.zeros((64, 64, 1), "uint8")
    >>> mask = np.zeros((64, 64), "uint8")
    >>> bend = augment.ElasticDeformation()
    >>> image, mask = bend(image, mask, np.random.default_rng(0))
    >>> image.shape, mask.shape
    ((64, 64, 1), (64, 64))
    """

    grid: int = 3
    sigma: float = 10.0

    def __post_init__(self):
        check_integer(2, grid=self.grid)
        check_not_negative(sigma=self.sigma)

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        height, width = mask.shape[:2]
        coarse = rng.normal(0, self.sigma, (2, self.grid, self.grid))
        down, right = (
            cubic_weights(height, self.grid)
            @ coarse
            @ cubic_weights(width, self.grid).T
        )
        rows = np.arange(height)[:, None] + down
        columns = np.arange(width) + right
        return warp(image, mask, rows, columns, **self.fill)
