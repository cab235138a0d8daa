"""Other sizes: bilinear for images, nearest for masks."""

import dataclasses

import numpy as np
from PIL import Image

from keras_seg.data.augment.cropping import RandomCrop
from keras_seg.data.augment.filling import window as cut
from keras_seg.data.augment.transform import Transform

__all__ = ["RandomScale", "resize_image", "resize_mask"]


def resize_image(image, size, *, window=None):
    """Resize bilinearly; anti-aliased where it becomes smaller.

    Args:
        image: array `(height, width, channels)`.
        size: tuple (height, width).
        window: optional tuple (top, left, height, width), the part of the
            result that is computed.

    Returns:
        Array of that size, or that of the window, and the same dtype.
    """
    whole = (0, 0, *size)
    top, left, height, width = whole if window is None else window
    rows, columns = image.shape[0] / size[0], image.shape[1] / size[1]
    box = (
        left * columns,
        top * rows,
        min((left + width) * columns, image.shape[1]),
        min((top + height) * rows, image.shape[0]),
    )

    def resized(pixels):
        return np.asarray(
            Image.fromarray(np.ascontiguousarray(pixels)).resize(
                (width, height), Image.Resampling.BILINEAR, box=box
            )
        )

    if image.dtype == np.uint8:
        if image.shape[2] == 3:
            return resized(image)
        channels = [resized(image[..., c]) for c in range(image.shape[2])]
        return np.stack(channels, axis=-1)
    channels = [
        resized(image[..., c].astype("float32")) for c in range(image.shape[2])
    ]
    result = np.stack(channels, axis=-1)
    if np.issubdtype(image.dtype, np.integer):
        result = result.round()
    return result.astype(image.dtype, copy=False)


def resize_mask(mask, size, *, window=None):
    """Resize to the nearest pixel, centres on centres; every dtype stays.

    Args:
        mask: integer array `(height, width)`.
        size: tuple (height, width).
        window: optional tuple (top, left, height, width), the part of the
            result that is computed.

    Returns:
        Array of that size, or that of the window, and the same dtype.
    """
    whole = (0, 0, *size)
    top, left, height, width = whole if window is None else window
    # The pixel in which the centre i + 1/2 lies, in whole numbers.
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

    Bilinear, anti-aliased where it becomes smaller, for the image; nearest
    for the mask. DeepLab v2 draws one of .5, .75, 1, 1.25, 1.5
    (https://arxiv.org/abs/1606.00915), v3 one of .5 to 2
    (https://arxiv.org/abs/1706.05587), its code in steps of .25.

    Args:
        low: float, the smallest factor.
        high: float, the largest one; the factor is drawn uniformly between.
        factors: optional sequence of float, one of which is drawn instead.

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

    def __call__(self, image, mask, rng):
        size = self.draw(mask.shape, rng)
        return resize_image(image, size), resize_mask(mask, size)

    def draw(self, size, rng):
        """The new size for one (height, width), each at least 1."""
        if self.factors is None:
            factor = rng.uniform(self.low, self.high)
        else:
            factor = self.factors[rng.integers(len(self.factors))]
        return tuple(max(1, round(side * factor)) for side in size)

    def size_after(self, size):
        return None

    def with_next(self, following):
        if isinstance(following, RandomCrop):
            return _ScaledCrop(self, following)
        return None


@dataclasses.dataclass(frozen=True)
class _ScaledCrop(Transform):
    """A random crop of what a random scale gives, and nothing beside it."""

    scale: RandomScale
    crop: RandomCrop

    def __call__(self, image, mask, rng):
        size = self.scale.draw(mask.shape, rng)
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
            color=self.crop.color,
            void=self.crop.void,
        )
