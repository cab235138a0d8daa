"""Transforms that take pixels of other pairs."""

import abc
import dataclasses
import functools
import math
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_not_negative
from keras_seg.data.augment.cropping import Filling
from keras_seg.data.augment.cropping import RandomCrop
from keras_seg.data.augment.transform import Occasional
from keras_seg.data.ids import count_ids

__all__ = ["CopyPaste", "CutMix", "Mix", "Mosaic", "OtherPair"]

OtherPair = Callable[[], tuple[NDArray, NDArray]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mix(Filling, Occasional):
    """Base of transforms that take pixels of other pairs.

    A mix is called with one more argument, a function that returns another
    pair, different ones one after the other. `apply` makes it of its argument
    `draw`: the other pair goes through all transforms that stand before the
    mix, so a mix behind a crop and a flip gets pairs that were cropped and
    flipped. `keras_seg.data.Batches` draws from all other pairs of its data
    set, each equally likely; a data set of one pair is mixed with itself.

    Pairs of another size are cut and padded to that of the first, as by
    `RandomCrop`. Pairs of other channels or dtypes are refused.

    Args:
        color, ignore_class: fill values, see `RandomCrop`.
        probability: float, the share of pairs that are changed.
    """

    def __call__(
        self,
        image: NDArray,
        mask: NDArray,
        rng: np.random.Generator,
        other: OtherPair | None = None,
    ) -> tuple[NDArray, NDArray]:
        if other is None:
            raise ValueError(
                f"`{type(self).__name__}` mixes pairs: `augment.apply` needs "
                "`draw`, which draws another pair, as `Batches` does. "
                "Received: draw=None"
            )
        if not self.is_due(rng):
            return image, mask
        image, mask = image.copy(), mask.copy()
        take = functools.partial(self._take, image, mask, rng, other)
        self.mix(image, mask, rng, take)
        return image, mask

    @abc.abstractmethod
    def mix(
        self,
        image: NDArray,
        mask: NDArray,
        rng: np.random.Generator,
        take: OtherPair,
    ) -> None:
        """Write pixels of other pairs into one.

        Args:
            image, mask: arrays to write into, see `Transform`.
            rng: `numpy.random.Generator`.
            take: function that returns another pair of the same size, a new
                one with each call.
        """

    def _take(self, image, mask, rng, other):
        picture, ids = other()
        for own, found in ((image, picture), (mask, ids)):
            if (own.dtype, own.shape[2:]) != (found.dtype, found.shape[2:]):
                raise ValueError(
                    "Pairs that are mixed must have the same channels and "
                    f"dtypes. Received: {own.shape} of {own.dtype} and "
                    f"{found.shape} of {found.dtype}"
                )
        return RandomCrop(mask.shape[:2], **self.fill)(picture, ids, rng)


@dataclasses.dataclass(frozen=True)
class CopyPaste(Mix):
    """Paste the pixels of some classes of another pair.

    As Copy-Paste (https://arxiv.org/abs/2012.07177), for classes in place of
    objects: whatever pixels the other mask has of the classes come over, to
    where they were there, with their ids. Its void and all other classes stay
    behind.

    Args:
        classes: optional int or sequence of int, the classes to paste. By
            default the rarer half of those in the other mask, by pixels,
            rounded down: of a mask of one class nothing. Masks of several
            labels have no background, and the half is rounded up; all labels
            of a pixel are pasted.
        color, ignore_class, probability: see `Mix`.

    Example: class 2 has one pixel, class 0 three.

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.zeros((1, 4, 3), "uint8"), np.ones((1, 4), "uint8")
    >>> other = image + 9, np.array([[0, 2, 0, 0]], "uint8")
    >>> paste = augment.CopyPaste(probability=1.0)
    >>> image, mask = paste(
    ...     image, mask, np.random.default_rng(0), lambda: other)
    >>> image[..., 0], mask
    (array([[0, 9, 0, 0]], dtype=uint8), array([[1, 2, 1, 1]], dtype=uint8))
    """

    classes: Sequence[int] | int | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.classes is not None:
            classes = np.ravel(self.classes).tolist()
            for number in classes:
                check_integer(0, classes=number)
            object.__setattr__(self, "classes", tuple(classes))

    def mix(
        self,
        image: NDArray,
        mask: NDArray,
        rng: np.random.Generator,
        take: OtherPair,
    ) -> None:
        pasted, ids = take()
        chosen = self._chosen(ids)
        image[chosen], mask[chosen] = pasted[chosen], ids[chosen]

    def _chosen(self, mask):
        """Where the mask has one of the classes, a bool array."""
        if mask.ndim == 3:
            counts = np.count_nonzero(mask == 1, axis=(0, 1))
            ids = np.flatnonzero(counts)
            counts = counts[ids]
        else:
            ids, counts = count_ids(mask)
            known = ids != self.ignore_class
            ids, counts = ids[known], counts[known]
        if self.classes is None:
            rarest = ids[np.argsort(counts, kind="stable")]
            ids = rarest[: (len(ids) + mask.ndim - 2) // 2]
        else:
            ids = ids[np.isin(ids, self.classes)]
        if mask.ndim == 3:
            return (mask[..., ids] == 1).any(axis=-1)
        return np.isin(mask, ids)


@dataclasses.dataclass(frozen=True)
class CutMix(Mix):
    """Replace a random rectangle by that of another pair.

    As CutMix (https://arxiv.org/abs/1905.04899): the rectangle has the shape
    of the image and the share 1 - λ of its area, with λ drawn from the beta
    distribution of (`alpha`, `alpha`); its center is drawn uniformly, and
    what lies outside the image is cut off.

    Args:
        alpha: float above 0. By default all λ are equally likely.
        color, ignore_class, probability: see `Mix`.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.zeros((3, 5, 3), "uint8"), np.zeros((3, 5), "uint8")
    >>> cut = augment.CutMix(probability=1.0)
    >>> other = image + 9, mask + 1
    >>> cut(image, mask, np.random.default_rng(2), lambda: other)[1]
    array([[0, 0, 0, 0, 0],
           [1, 1, 1, 0, 0],
           [1, 1, 1, 0, 0]], dtype=uint8)
    """

    alpha: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_not_negative(alpha=self.alpha)
        if self.alpha == 0:
            raise ValueError(
                f"`alpha` must be above 0. Received: alpha={self.alpha}"
            )

    def mix(
        self,
        image: NDArray,
        mask: NDArray,
        rng: np.random.Generator,
        take: OtherPair,
    ) -> None:
        pasted, ids = take()
        share = math.sqrt(1 - rng.beta(self.alpha, self.alpha))
        part = tuple(_around(side, share, rng) for side in mask.shape[:2])
        image[part], mask[part] = pasted[part], ids[part]


def _around(side, share, rng):
    """A slice of a share of a side around a random center."""
    center = rng.uniform(0, side)
    first, last = (round(center + d * share * side / 2) for d in (-1, 1))
    return slice(max(0, first), min(side, last))


@dataclasses.dataclass(frozen=True)
class Mosaic(Mix):
    """Put parts of four pairs around one random crossing.

    As in YOLOv4 (https://arxiv.org/abs/2004.10934), at the size of the first
    pair, whose upper left part stays; each part is where it was in its pair.
    The row and the column of the crossing are drawn uniformly from the middle
    half.

    Args:
        color, ignore_class, probability: see `Mix`.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.zeros((3, 5, 3), "uint8"), np.zeros((3, 5), "uint8")
    >>> others = iter([(image, mask + i) for i in (1, 2, 3)])
    >>> mosaic = augment.Mosaic(probability=1.0)
    >>> mosaic(image, mask, np.random.default_rng(0), lambda: next(others))[1]
    array([[0, 0, 1, 1, 1],
           [0, 0, 1, 1, 1],
           [2, 2, 3, 3, 3]], dtype=uint8)
    """

    def mix(
        self,
        image: NDArray,
        mask: NDArray,
        rng: np.random.Generator,
        take: OtherPair,
    ) -> None:
        row, column = (
            int(rng.integers(side // 4, side - side // 4, endpoint=True))
            for side in mask.shape[:2]
        )
        upper, lower = slice(row), slice(row, None)
        left, right = slice(column), slice(column, None)
        for part in (upper, right), (lower, left), (lower, right):
            pasted, ids = take()
            image[part], mask[part] = pasted[part], ids[part]
