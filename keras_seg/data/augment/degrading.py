"""Blur, noise, JPEG compression and holes: what cameras and files lose."""

import dataclasses
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_seg.arguments import check_not_negative
from keras_seg.arguments import check_positive
from keras_seg.arguments import check_share
from keras_seg.data.augment.cropping import Filling
from keras_seg.data.augment.cropping import fill_color
from keras_seg.data.augment.transform import Occasional
from keras_seg.data.augment.transform import cast

__all__ = [
    "CoarseDropout",
    "GaussianBlur",
    "GaussianNoise",
    "JPEGCompression",
]

_BEST_QUALITY = 95  # Pillow's advice: more only makes larger files.


@dataclasses.dataclass(frozen=True)
class GaussianBlur(Occasional):
    """Blur the image by a Gaussian of a random width; the mask stays.

    The kernel ends at 4 standard deviations, and the pixels of the edges are
    repeated beyond them: `scipy.ndimage.gaussian_filter(mode="nearest")` of
    each channel.

    Args:
        sigma: float, the largest standard deviation in pixels. It is drawn
            uniformly from 0 to this.
        probability: float, the share of pairs that are changed.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image = np.array([0, 0, 240, 0, 0], "uint8").reshape(1, 5, 1)
    >>> blur = augment.GaussianBlur(1.0, probability=1.0)
    >>> mask, rng = np.zeros((1, 5), "uint8"), np.random.default_rng(1)
    >>> blur(image, mask, rng)[0].ravel()
    array([ 11,  58, 101,  58,  11], dtype=uint8)
    """

    sigma: float = 2.0

    def __post_init__(self):
        super().__post_init__()
        check_not_negative(sigma=self.sigma)

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        if not self.is_due(rng):
            return image, mask
        sigma = rng.uniform(0, self.sigma)
        radius = int(4 * sigma + 0.5)
        if radius == 0:
            return image, mask
        weights = np.exp(-((np.arange(radius + 1) / sigma) ** 2) / 2)
        weights /= weights[0] + 2 * weights[1:].sum()
        blurred = image.astype("float32")
        for axis in (0, 1):
            blurred = _convolve(blurred, weights.astype("float32"), axis)
        return cast(blurred, image.dtype), mask


def _convolve(image, weights, axis):
    """Convolve with weights that are the same on both sides of the first."""
    reach, side = len(weights) - 1, image.shape[axis]
    edges = [(0, 0)] * image.ndim
    edges[axis] = (reach, reach)
    padded = np.pad(image, edges, mode="edge")

    def moved(by):
        part = [slice(None)] * image.ndim
        part[axis] = slice(reach + by, reach + by + side)
        return padded[tuple(part)]

    result = weights[0] * image
    for by in range(1, reach + 1):
        result += weights[by] * (moved(by) + moved(-by))
    return result


@dataclasses.dataclass(frozen=True)
class GaussianNoise(Occasional):
    """Add noise to the image, independent for each value; the mask stays.

    x ← x + n, clipped to 0..255, where n is Gaussian.

    Args:
        sigma: float, the largest standard deviation in gray levels. It is
            drawn uniformly from 0 to this.
        probability: float, the share of pairs that are changed.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image = np.full((99, 99, 3), 128, "float32")
    >>> noise = augment.GaussianNoise(20, probability=1.0)
    >>> mask, rng = np.zeros((99, 99), "uint8"), np.random.default_rng(0)
    >>> bool(0 < noise(image, mask, rng)[0].std() < 20)
    True
    """

    sigma: float = 10.0

    def __post_init__(self):
        super().__post_init__()
        check_not_negative(sigma=self.sigma)

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        if not self.is_due(rng):
            return image, mask
        sigma = np.float32(rng.uniform(0, self.sigma))
        values = rng.standard_normal(image.shape, "float32")
        values *= sigma
        values += image
        values.clip(0, 255, out=values)
        return cast(values, image.dtype), mask


@dataclasses.dataclass(frozen=True)
class JPEGCompression(Occasional):
    """Write the image as JPEG and read it again; the mask stays.

    The image is what Pillow makes of it, with colors at half the resolution.
    Images of floats are rounded to whole gray levels first.

    Args:
        quality: int, 1 to 95, the lowest quality. It is drawn uniformly from
            the whole numbers from this to 95.
        probability: float, the share of pairs that are changed.

    Raises:
        ValueError: If an image has neither 1 nor 3 channels.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), "uint8")
    >>> jpeg, mask = augment.JPEGCompression(30), np.zeros((8, 8), "uint8")
    >>> jpeg(image, mask, np.random.default_rng(1))[0].shape
    (8, 8, 3)
    """

    quality: int = 50

    def __post_init__(self):
        super().__post_init__()
        check_positive(quality=self.quality)
        if self.quality > _BEST_QUALITY:
            raise ValueError(
                f"`quality` must be {_BEST_QUALITY} at most. "
                f"Received: quality={self.quality}"
            )

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        if image.shape[2] not in (1, 3):
            raise ValueError(
                "`JPEGCompression` needs images of 1 or 3 channels, as JPEG "
                f"files have. Received: {image.shape[2]} channels"
            )
        if not self.is_due(rng):
            return image, mask
        quality = int(rng.integers(self.quality, _BEST_QUALITY, endpoint=True))
        pixels = np.round(image).astype("uint8")
        pixels = pixels[..., 0] if image.shape[2] == 1 else pixels
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        read = np.asarray(Image.open(file)).reshape(image.shape)
        return read.astype(image.dtype, copy=False), mask


@dataclasses.dataclass(frozen=True)
class CoarseDropout(Filling, Occasional):
    """Fill rectangles at random places with one color.

    As Cutout (https://arxiv.org/abs/1708.04552), with several holes. By
    default the holes are void in the mask: a network is not asked for what it
    cannot see, and learns from the rest without relying on any one part. With
    `void=False` the mask stays, and the network is to complete objects from
    their surroundings; a hole that hides all of a small object then teaches
    it to guess.

    Args:
        holes: int, the largest number of holes; it is drawn from 1 to this.
        size: float, the largest height and width of a hole, as shares of
            those of the image. Each is drawn from half of this to this.
        void: bool, whether the holes are void.
        color, ignore_class: fill values, see `RandomCrop`.
        probability: float, the share of pairs that are changed.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.zeros((3, 5, 3), "uint8"), np.zeros((3, 5), "uint8")
    >>> drop = augment.CoarseDropout(1, 0.8, probability=1.0)
    >>> drop(image, mask, np.random.default_rng(5))[1]
    array([[  0, 255, 255, 255,   0],
           [  0, 255, 255, 255,   0],
           [  0,   0,   0,   0,   0]], dtype=uint8)
    """

    holes: int = 8
    size: float = 0.15
    void: bool = True

    def __post_init__(self):
        super().__post_init__()
        check_positive(holes=self.holes)
        check_share(size=self.size)

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        if not self.is_due(rng):
            return image, mask
        image, mask = image.copy(), mask.copy()
        for _ in range(rng.integers(self.holes) + 1):
            hole = tuple(self._side(side, rng) for side in image.shape[:2])
            image[hole] = fill_color(self.color, image.shape[2])
            if self.void:
                mask[hole] = self.ignore_class
        return image, mask

    def _side(self, side, rng):
        length = round(side * rng.uniform(self.size / 2, self.size))
        first = int(rng.integers(side - length + 1))
        return slice(first, first + length)
