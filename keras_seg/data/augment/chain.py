"""`apply`, transforms one after the other, and the size after them."""

import functools
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_seg.data.augment.mixing import Mix
from keras_seg.data.augment.transform import INPUT_SIZE
from keras_seg.data.augment.transform import Size
from keras_seg.data.augment.transform import Transform

__all__ = ["apply", "size_after"]


def apply(
    transforms: Sequence[Callable],
    image: NDArray,
    mask: NDArray,
    rng: np.random.Generator,
    draw: Callable[[np.random.Generator], tuple[NDArray, NDArray]]
    | None = None,
) -> tuple[NDArray, NDArray]:
    """Apply transforms one after the other.

    `RandomScale` directly before `RandomCrop` computes only the crop. The
    image may differ by one gray level from that of separate steps.

    Args:
        transforms: sequence of `Transform`s or callables.
        image: array `(height, width, channels)`.
        mask: integer array, see `Transform`.
        rng: `numpy.random.Generator`.
        draw: function that draws another pair of the data set with a
            generator. Needed by `CopyPaste`, `CutMix` and `Mosaic`.

    Returns:
        Tuple (image, mask).

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.ones((4, 6, 3), "uint8"), np.ones((4, 6), "uint8")
    >>> transforms = [augment.RandomScale(0.5, 2), augment.RandomCrop(8)]
    >>> image, mask = augment.apply(
    ...     transforms, image, mask, np.random.default_rng(0))
    >>> image.shape, mask.shape
    ((8, 8, 3), (8, 8))
    """
    transforms = list(transforms)
    place = 0

    while place < len(transforms):
        transform, following = transforms[place], transforms[place + 1 :]
        joined = None
        if following and isinstance(transform, Transform):
            joined = transform.with_next(following[0])
        if isinstance(transform, Mix):
            before = transforms[:place]
            other = draw and functools.partial(_another, before, rng, draw)
            image, mask = transform(image, mask, rng, other)
        else:
            image, mask = (joined or transform)(image, mask, rng)
        place += 2 if joined else 1
    return image, mask


def _another(transforms, rng, draw):
    image, mask = draw(rng)
    return apply(transforms, image, mask, rng, draw)


def size_after(transforms: Sequence[Callable]) -> Size:
    """The size after a sequence of transforms, see `Transform.size_after`."""
    size: Size = INPUT_SIZE
    for transform in transforms:
        if isinstance(transform, Transform):
            size = transform.size_after(size)
    return size
