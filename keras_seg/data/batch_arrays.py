"""The arrays of a batch, to which threads write its pairs."""

import threading
from typing import Any

import numpy as np

from keras_seg.data.augment.cropping import fill_color
from keras_seg.data.classes import VOID

__all__ = ["BatchArrays", "check_transformed"]


def check_transformed(image, mask, weights, size):
    """Refuse a pair that a user's transforms or weights made of two sizes."""
    if image.shape[:2] != size or mask.shape[:2] != size:
        raise ValueError(
            f"`transforms` must give an image and a mask of {size}. "
            f"Received: an image {image.shape} and a mask {mask.shape}"
        )
    if weights is not None and weights.shape != size:
        raise ValueError(
            f"`pixel_weights` must give an array of {size}. "
            f"Received: {weights.shape}"
        )


class BatchArrays:
    """Arrays of a batch, to which threads write pairs in any order.

    Smaller pairs are padded at the bottom and the right: with the mean color,
    with void, and with a weight of 0.

    Args:
        indices: sequence of int, the pairs of the batch in order.
        size: tuple (height, width) of the batch.
        weighted: bool, whether there are weights.
    """

    def __init__(self, indices, size, weighted=False):
        self._indices = indices
        self._lock = threading.Lock()
        self._shape = (len(indices), *size)
        self._images: Any = None
        self._masks: Any = None
        self._weights = np.empty(self._shape, "float32") if weighted else None
        self._channels = [0] * len(indices)
        self._planes: list[tuple[int, ...]] = [()] * len(indices)
        self._later: list = []

    def fill(self, place, image, mask, weights=None):
        """Write one pair, at a place 0..count-1 of the batch."""
        with self._lock:
            self._channels[place] = image.shape[2]
            self._planes[place] = mask.shape[2:]
            if self._images is None:
                self._images = np.empty(
                    (*self._shape, image.shape[2]), image.dtype
                )
                self._masks = np.empty((*self._shape, *mask.shape[2:]), "int32")
        images = self._images
        if images.shape[3] != image.shape[2]:
            return  # `result` refuses it.
        if self._masks.shape[3:] != mask.shape[2:]:
            return
        if np.can_cast(image.dtype, images.dtype):
            _write_image(images[place], image)
        else:
            self._later.append((place, image))
        _write(self._masks[place], mask, VOID)
        if self._weights is not None:
            _write(self._weights[place], weights, 0)

    def result(self):
        """Tuple (images, masks), or (images, masks, weights)."""
        for index, channels in zip(self._indices, self._channels, strict=True):
            if channels != self._channels[0]:
                raise ValueError(
                    "The images of a batch must have the same channels. "
                    f"Received: pair {self._indices[0]} with "
                    f"{self._channels[0]}, pair {index} with {channels}"
                )
        for index, planes in zip(self._indices, self._planes, strict=True):
            if planes != self._planes[0]:
                raise ValueError(
                    "The masks of a batch must have the same planes. "
                    f"Received: pair {self._indices[0]} with "
                    f"{_planes(self._planes[0])}, pair {index} with "
                    f"{_planes(planes)}"
                )
        images = self._images
        if self._later:  # Floats that came after bytes.
            images = images.astype("float32")
            for place, image in self._later:
                _write_image(images[place], image)
        arrays = (images, self._masks, self._weights)
        return arrays if self._weights is not None else arrays[:2]


def _planes(shape):
    return f"{shape[0]}" if shape else "one id a pixel"


def _write(target, values, fill):
    height, width = values.shape[:2]
    target[:height, :width] = values
    target[height:] = fill
    target[:height, width:] = fill


def _write_image(target, image):
    height, width, channels = image.shape
    inside = target[:height, :width]
    if image.strides[1] == channels * image.itemsize:
        inside[...] = image
    else:
        # NumPy copies a mirrored image five times as fast by channels.
        for channel in range(channels):
            inside[..., channel] = image[..., channel]
    if inside.shape != target.shape:
        row = np.empty(target.shape[1:], target.dtype)
        row[...] = fill_color(None, channels)
        target[height:] = row
        target[:height, width:] = row[width:]
