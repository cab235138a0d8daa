"""Resizing: bilinear for images, nearest neighbor for masks."""

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_seg.data.augment.cropping import RandomCrop
from keras_seg.data.augment.cropping import window as cut
from keras_seg.data.augment.transform import Size
from keras_seg.data.augment.transform import Transform
from keras_seg.data.augment.transform import cast

__all__ = ["RandomScale", "resize_image", "resize_mask"]


def resize_image(
    image: NDArray, size: Sequence[int], *, window: Sequence[int] | None = None
) -> NDArray:
    """Resize bilinearly, with antialiasing if it becomes smaller.

    Values of uint8 images are at most 1.5 from the exact ones.

    Args:
        image: array `(height, width, channels)`.
        size: tuple (height, width).
        window: optional tuple (top, left, height, width), the part of the
            result to compute.

    Returns:
        Array of this size, or of the window, and of the same dtype.
    """
    top, left, height, width = window or (0, 0, *size)
    old_height, old_width = image.shape[:2]
    scale = old_width / size[1]
    columns = (left * scale, min((left + width) * scale, old_width))
    scale = old_height / size[0]
    if size[0] <= old_height:
        rows = (top * scale, min((top + height) * scale, old_height))
        return _resample(image, (height, width), rows, columns)
    # NumPy enlarges rows in half of Pillow's time.
    places = (np.arange(top, top + height) + 0.5) * scale - 0.5
    places = places.clip(0, old_height - 1)
    first, last = int(places[0]), min(int(places[-1]) + 2, old_height)
    used = (last - first, width)
    image = _resample(image[first:last], used, (0, last - first), columns)
    return _between_rows(image, places - first)


def _resample(image, size, rows, columns):
    """The part between two rows and two columns, resized by Pillow."""
    box = (columns[0], rows[0], columns[1], rows[1])

    def resized(pixels):
        return np.asarray(
            Image.fromarray(np.ascontiguousarray(pixels)).resize(
                size[::-1], Image.Resampling.BILINEAR, box=box
            )
        )

    if image.dtype == np.uint8 and image.shape[2] == 3:
        return resized(image)
    channels = image
    if image.dtype != np.uint8:
        channels = image.astype("float32", copy=False)
    result = np.stack(
        [resized(channels[..., c]) for c in range(image.shape[2])], axis=-1
    )
    return cast(result, image.dtype)


def _between_rows(image, places):
    """Rows interpolated linearly at fractional places."""
    before = places.astype("int64")
    beyond = (places - before)[:, None]
    integers = image.dtype == np.uint8
    rows = image.reshape(len(image), -1)
    rows = rows.astype("uint16" if integers else "float32")
    steps = np.zeros_like(rows)
    np.subtract(rows[1:], rows[:-1], out=steps[:-1])
    if integers:
        # b - a may wrap around below 0, but 256 a + w (b - a) + 128 fits
        # into 16 bits, so the sum is right.
        beyond = np.round(256 * beyond)
        rows <<= 8
        rows += 128
    result = steps.take(before, axis=0)
    result *= beyond.astype(rows.dtype)
    result += rows.take(before, axis=0)
    if integers:
        result >>= 8
    result = cast(result, image.dtype)
    return result.reshape(len(places), *image.shape[1:])


def resize_mask(
    mask: NDArray, size: Sequence[int], *, window: Sequence[int] | None = None
) -> NDArray:
    """Resize by nearest neighbor, with half-pixel centers.

    Args:
        mask: integer array `(height, width)` or `(height, width, classes)`.
        size: tuple (height, width).
        window: see `resize_image`.

    Returns:
        Array of this size, or of the window, and of the same dtype.
    """
    top, left, height, width = window or (0, 0, *size)
    # The pixel in which the center i + 1/2 lies, in integers.
    rows, columns = (
        (2 * np.arange(first, first + count) + 1) * old // (2 * new)
        for first, count, old, new in (
            (top, height, mask.shape[0], size[0]),
            (left, width, mask.shape[1], size[1]),
        )
    )
    return mask.take(columns, axis=1).take(rows, axis=0)


@dataclasses.dataclass(frozen=True)
class RandomScale(Transform):
    """Resize image and mask by one random factor.

    The image is resized bilinearly with antialiasing, the mask by nearest
    neighbor. DeepLab v2 draws one of .5, .75, 1, 1.25, 1.5
    (https://arxiv.org/abs/1606.00915), v3 a factor in .5..2
    (https://arxiv.org/abs/1706.05587), its code in steps of .25.

    Args:
        low: float, the smallest factor.
        high: float, the largest factor. The distribution is uniform.
        factors: optional sequence of float, to draw one of these instead.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> transform = augment.RandomScale(factors=(0.5, 0.75, 1, 1.25, 1.5))
    >>> image, mask = np.ones((8, 8, 3), "uint8"), np.ones((8, 8), "uint8")
    >>> image, mask = transform(image, mask, np.random.default_rng(0))
    >>> mask.shape
    (12, 12)
    """

    low: float = 0.5
    high: float = 2.0
    factors: tuple[float, ...] | None = None

    def __post_init__(self):
        if self.factors is not None:
            factors = tuple(float(factor) for factor in self.factors)
            object.__setattr__(self, "factors", factors)
            if not factors or not 0 < min(factors) <= max(factors) < np.inf:
                raise ValueError(
                    "`factors` must be numbers above 0. "
                    f"Received: factors={self.factors}"
                )
        elif not 0 < self.low <= self.high < np.inf:
            raise ValueError(
                "`low` and `high` must be numbers with 0 < low <= high. "
                f"Received: low={self.low}, high={self.high}"
            )

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        size = self.draw(mask.shape[:2], rng)
        return resize_image(image, size), resize_mask(mask, size)

    def draw(
        self, size: Sequence[int], rng: np.random.Generator
    ) -> tuple[int, ...]:
        """Draw the new size for (height, width), each at least 1."""
        if self.factors is None:
            factor = rng.uniform(self.low, self.high)
        else:
            factor = self.factors[rng.integers(len(self.factors))]
        return tuple(max(1, round(side * factor)) for side in size)

    def size_after(self, size: Size) -> None:
        return None

    def with_next(self, following: Callable) -> Transform | None:
        if isinstance(following, RandomCrop):
            return _ScaledCrop(self, following)
        return None


@dataclasses.dataclass(frozen=True)
class _ScaledCrop(Transform):
    """`RandomScale`, then `RandomCrop`, computing only the crop."""

    scale: RandomScale
    crop: RandomCrop

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        size = self.scale.draw(mask.shape[:2], rng)
        top, left = self.crop.draw(size, rng)
        height, width = (
            min(side, length)
            for side, length in zip(size, self.crop.size, strict=True)
        )
        part = (top, left, height, width)
        return cut(
            resize_image(image, size, window=part),
            resize_mask(mask, size, window=part),
            (0, 0),
            self.crop.size,
            **self.crop.fill,
        )
