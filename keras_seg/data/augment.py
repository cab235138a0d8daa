"""Joint transforms of an image and its mask, in NumPy and Pillow.

Each takes arrays and gives arrays, never writes into its input, and draws
from the generator it is handed. A mask keeps its dtype, and no id appears in
it that was not there, but 255 for void.
"""

import numpy as np
from PIL import Image

from keras_seg.data.classes import VOID

__all__ = [
    "MEAN_COLOR",
    "pad_to",
    "random_crop",
    "random_flip",
    "random_scale",
    "resize_image",
    "resize_mask",
]

MEAN_COLOR = (124, 116, 104)  # ImageNet's mean RGB, rounded


def pad_to(image, mask, size, *, color=MEAN_COLOR, void=VOID):
    """Pad at the bottom and the right up to a size.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        size: tuple (height, width); a side that is longer already stays.
        color: what the image is filled with, one number a channel.
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
    rows, columns = max(height, size[0]), max(width, size[1])
    if (rows, columns) == (height, width):
        return image, mask
    padded = np.empty((rows, columns, image.shape[2]), image.dtype)
    padded[...] = color
    padded[:height, :width] = image
    ids = np.full((rows, columns), void, mask.dtype)
    ids[:height, :width] = mask
    return padded, ids


def random_crop(image, mask, size, rng, *, color=MEAN_COLOR, void=VOID):
    """Cut a window at a random place, padded where the image is smaller.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        size: int, or tuple (height, width).
        rng: `numpy.random.Generator`.
        color: what the image is padded with.
        void: int, what the mask is padded with.

    Returns:
        Tuple (image, mask) of exactly that size.
    """
    height, width = (size, size) if np.ndim(size) == 0 else size
    image, mask = pad_to(image, mask, (height, width), color=color, void=void)
    top = rng.integers(mask.shape[0] - height + 1)
    left = rng.integers(mask.shape[1] - width + 1)
    window = np.s_[top : top + height, left : left + width]
    return image[window], mask[window]


def random_flip(image, mask, rng):
    """Mirror left and right, every second time.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        rng: `numpy.random.Generator`.

    Returns:
        Tuple (image, mask).
    """
    if rng.random() < 0.5:
        return image[:, ::-1], mask[:, ::-1]
    return image, mask


def random_scale(image, mask, scales, rng):
    """Resize both by one factor, drawn uniformly.

    Args:
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        scales: tuple (low, high) of float.
        rng: `numpy.random.Generator`.

    Returns:
        Tuple (image, mask).
    """
    factor = rng.uniform(*scales)
    size = tuple(max(1, round(side * factor)) for side in mask.shape)
    return resize_image(image, size), resize_mask(mask, size)


def resize_image(image, size):
    """Resize bilinearly; anti-aliased where it becomes smaller.

    Args:
        image: array `(height, width, channels)`.
        size: tuple (height, width).

    Returns:
        Array of that size and the same dtype.
    """
    height, width = size
    if image.dtype == np.uint8 and image.shape[2] == 3:
        pixels = Image.fromarray(np.ascontiguousarray(image))
        return np.asarray(
            pixels.resize((width, height), Image.Resampling.BILINEAR)
        )
    channels = [
        Image.fromarray(image[..., c].astype("float32")).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for c in range(image.shape[2])
    ]
    resized = np.stack([np.asarray(c) for c in channels], axis=-1)
    if np.issubdtype(image.dtype, np.integer):
        resized = resized.round()
    return resized.astype(image.dtype)


def resize_mask(mask, size):
    """Resize to the nearest pixel, centres on centres; every dtype stays.

    Args:
        mask: integer array `(height, width)`.
        size: tuple (height, width).

    Returns:
        Array of that size and the same dtype.
    """
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype("int64").clip(0, old - 1)
        for old, new in zip(mask.shape, size, strict=True)
    )
    return mask[rows[:, None], columns]
