"""Spatial augmentation: flips, turns, shifts, rotation, deformation."""

import dataclasses
import math

import numpy as np

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_not_negative
from keras_seg.arguments import check_share
from keras_seg.data.augment.cropping import fill_color
from keras_seg.data.augment.cropping import window
from keras_seg.data.augment.transform import Transform
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


def warp(image, mask, rows, columns, *, color=None, void=VOID):
    """Read an image bilinearly and its mask nearest at given places.

    Pixel (y, x) of the result is what the input has at
    `(rows[y, x], columns[y, x])`; whole numbers are the centers of pixels. A
    place in none of the input's pixels, above n - 1/2 or below -1/2, is void
    in the mask and filled in the image. Half a pixel along the edges has the
    color of the edge.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        rows: float array, of the shape of the result.
        columns: float array, the same.
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean color.
        void: int, what the mask is filled with.

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


def rotate(image, mask, degrees, *, color=None, void=VOID):
    """Turn an image and its mask about their center; the size stays.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        degrees: float, counter-clockwise.
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean color.
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
    """Turn about the center by a random angle; the size stays.

    Args:
        degrees: float, the largest angle to either side.
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean color.
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


def cubic_weights(count, nodes):
    """Weights of cubic interpolation between nodes, for every pixel.

    Keys' cubic convolution with a = -1/2 (https://doi.org/10.1109/
    TASSP.1981.1163711): for t of 0..1 between nodes 0 and 1,

        f(t) = f0 + t (s0 + t (3 (f1 - f0) - 2 s0 - s1
                               + t (2 (f0 - f1) + s0 + s1)))

    with the slopes s0 = (f1 - f-1) / 2 and s1 = (f2 - f0) / 2. The first
    node lies on the first pixel, the last one on the last; before and
    behind them they are repeated.

    Args:
        count: int, pixels along an axis.
        nodes: int, nodes along it, at least 2.

    Returns:
        float64 array `(count, nodes)`; every row has the sum 1.
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
class ElasticDeformation(Transform):
    """Bend image and mask by smooth random displacements.

    U-Net (https://arxiv.org/abs/1505.04597, section 3.1): displacement
    vectors on a coarse grid, each coordinate drawn from a Gaussian, and
    bicubic interpolation between them for every pixel, see `cubic_weights`.
    The image is then read bilinearly, the mask nearest.

    Args:
        grid: int, nodes along each side, the outer ones on the corners; at
            least 2.
        sigma: float, standard deviation of the displacements in pixels.
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean color.
        void: int, what the mask is filled with.

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
    color: float | tuple[float, ...] | None = None
    void: int = VOID

    def __post_init__(self):
        check_integer(2, grid=self.grid)
        check_not_negative(sigma=self.sigma)

    def __call__(self, image, mask, rng):
        height, width = mask.shape
        coarse = rng.normal(0, self.sigma, (2, self.grid, self.grid))
        down, right = (
            cubic_weights(height, self.grid)
            @ coarse
            @ cubic_weights(width, self.grid).T
        )
        return warp(
            image,
            mask,
            np.arange(height)[:, None] + down,
            np.arange(width) + right,
            color=self.color,
            void=self.void,
        )
