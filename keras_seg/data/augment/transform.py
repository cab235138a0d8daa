"""`Transform`, the base class of all transforms, and `apply`."""

import abc
import dataclasses
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_share

__all__ = [
    "INPUT_SIZE",
    "Occasional",
    "Size",
    "Transform",
    "apply",
    "cast",
    "size_after",
]

INPUT_SIZE = "input"
Size = tuple[int, int] | str | None  # see `Transform.size_after`


class Transform(abc.ABC):
    """A random change of an image and its mask together.

    Subclasses are frozen dataclasses that draw from the generator they are
    given, so that the same generator gives the same result. By default
    pixels outside the image are filled with the mean color, and with void in
    the mask. Any other callable with the same arguments that keeps the size
    can be used as a transform.
    """

    @abc.abstractmethod
    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        """Transform one pair, without writing into it.

        Args:
            image: array `(height, width, channels)` of 0..255, uint8 or
                float.
            mask: integer array `(height, width)`, or `(height, width,
                classes)` of several labels, whose planes move alike.
            rng: `numpy.random.Generator`.

        Returns:
            Tuple (image, mask) of the same dtypes.
        """

    def size_after(self, size: Size) -> Size:
        """The size of the result for an input size.

        Both are a tuple (height, width); `INPUT_SIZE`, the image's own size
        in the data set; or `None`, a size drawn for each image.
        """
        return size

    def with_next(self, following: Callable) -> "Transform | None":
        """A faster transform for this and the next one, or `None`."""
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Occasional(Transform):
    """Base of transforms that leave some of the pairs as they are."""

    probability: float = 0.5

    def __post_init__(self):
        check_share(probability=self.probability)

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        if rng.random() < self.probability:
            return self.change(image, mask, rng)
        return image, mask

    @abc.abstractmethod
    def change(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        """Transform a pair that was drawn to be changed."""


def cast(values, dtype):
    """Cast to a dtype; floats are rounded in place for integers."""
    if np.issubdtype(dtype, np.integer) and values.dtype.kind == "f":
        values.round(out=values)
    return values.astype(dtype, copy=False)


def apply(
    transforms: Sequence[Callable],
    image: NDArray,
    mask: NDArray,
    rng: np.random.Generator,
) -> tuple[NDArray, NDArray]:
    """Apply transforms one after the other.

    `RandomScale` directly before `RandomCrop` computes only the crop. The
    image may differ by one gray level from that of separate steps.

    Args:
        transforms: sequence of `Transform`s or callables.
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        rng: `numpy.random.Generator`.

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
    waiting = list(transforms)
    while waiting:
        transform = waiting.pop(0)
        if waiting and isinstance(transform, Transform):
            joined = transform.with_next(waiting[0])
            if joined is not None:
                transform = joined
                del waiting[0]
        image, mask = transform(image, mask, rng)
    return image, mask


def size_after(transforms: Sequence[Callable]) -> Size:
    """The size after a sequence of transforms, see `Transform.size_after`."""
    size: Size = INPUT_SIZE
    for transform in transforms:
        if isinstance(transform, Transform):
            size = transform.size_after(size)
    return size
