"""Pairs of images and masks, shrunk to a longest side."""

from collections.abc import Sequence
from typing import Any

from keras_seg.arguments import check_positive
from keras_seg.arguments import fitted_size
from keras_seg.data.augment.scaling import resize_image
from keras_seg.data.augment.scaling import resize_mask

__all__ = ["Shrunk"]


class Shrunk(Sequence):
    """Pairs of another data set, the large ones shrunk.

    Images are shrunk as by `keras_seg.layers.ShrinkToFit`, but rounded: uint8
    values differ by 1.5 at most. Masks are shrunk by nearest neighbor.

    Args:
        data: `Folder`, or any sequence of `(image, mask)`.
        longest_side: int, pixels of the longer side at most.

    Example:

    >>> import numpy as np
    >>> pair = np.zeros((60, 80, 3), "uint8"), np.zeros((60, 80), "uint8")
    >>> image, mask = Shrunk([pair], 40)[0]
    >>> image.shape, mask.shape
    ((30, 40, 3), (30, 40))
    """

    def __init__(self, data: Any, longest_side: int):
        check_positive(longest_side=longest_side)
        self.data, self.longest_side = data, longest_side
        self.pairs = getattr(data, "pairs", None)
        self.multi_label = getattr(data, "multi_label", None)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        image, mask = self.data[index]
        size = fitted_size(mask.shape[:2], self.longest_side)
        if size == mask.shape[:2]:
            return image, mask
        return resize_image(image, size), resize_mask(mask, size)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of a pair."""
        size = getattr(self.data, "size", None)
        given = size(index) if size else self.data[index][1].shape[:2]
        return fitted_size([int(n) for n in given], self.longest_side)
