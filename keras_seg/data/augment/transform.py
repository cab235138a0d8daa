"""`Transform`, the base class of all transforms."""

import abc
import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_share

__all__ = [
    "INPUT_SIZE",
    "Occasional",
    "Size",
    "Transform",
    "cast",
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

    def is_due(self, rng: np.random.Generator) -> bool:
        """Draw whether to change a pair."""
        return bool(rng.random() < self.probability)


def cast(values, dtype):
    """Cast to a dtype; floats are rounded in place for integers."""
    if np.issubdtype(dtype, np.integer) and values.dtype.kind == "f":
        values.round(out=values)
    return values.astype(dtype, copy=False)
