"""Batches of images and masks for `fit`, the same on every backend."""

import functools
import threading
from typing import Any

import numpy as np

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_positive
from keras_seg.data import augment
from keras_seg.data.augment.cropping import fill_color
from keras_seg.data.classes import VOID
from keras_seg.data.loading import Epochs
from keras_seg.data.loading import PairCache
from keras_seg.data.loading import ReadAhead
from keras_seg.data.loading import cpu_count
from keras_seg.data.loading import naming_pair

__all__ = [
    "BatchArrays",
    "Batches",
    "check_transformed",
    "checked_transforms",
    "middle",
]

_AHEAD = 2  # batches, beside the one that is asked for


class Batches(Epochs):
    """Batches `(images, masks)` of any sequence of `(image, mask)` pairs.

    What a batch holds depends on `seed`, `epoch` and its index alone: not on
    the backend, the number of workers, or what was read before. Threads read
    and transform the next batches while one is trained on.

    The transforms come in the order they are given. Where they end in no
    common size, the images of a batch are padded at the bottom and the right
    to the largest of them, with the mean color and with void; transforms
    that draw a size, such as `RandomScale`, need a crop behind them.

    `fit` calls `on_epoch_end` once before its first epoch, so a new object
    trains on epochs 1, 2, …; to go on where another run stopped after k
    epochs, set `epoch = k` first. Leave out `steps_per_epoch`: an epoch is
    all batches. Between `on_epoch_begin` and the last batch of an epoch,
    batches come in the order of the calls, whatever index is asked for.

    Args:
        dataset: a `Folder`, a list of tuples, or anything else with `len()`
            and `dataset[i] -> (image, mask)`: an image `(height, width,
            channels)` of 0..255, uint8 or float, and an integer mask
            `(height, width)`. It is read from several threads.
        batch_size: int.
        transforms: sequence of `keras_seg.data.augment.Transform`s, or of
            other callables `(image, mask, rng) -> (image, mask)` that leave
            the size as it is.
        shuffle: bool, draw a new order in every epoch.
        seed: int, 0 or more.
        drop_remainder: bool, leave out a last batch that is not full.
        cache: bool, keep decoded pairs in memory, up to 2 GiB.
        workers: int, number of threads; by default one more than CPUs, for
            one or another waits.
        pixel_weights: optional callable that takes a transformed mask, an
            integer array `(height, width)`, and gives a float32 array of its
            shape: the third element of a batch, `fit`'s sample weights.
        margin: int, pixels at each side of an image that the model gives no
            logits for: masks and weights are those of the middle. 92 for the
            paper's U-Net (`applications.UNet(padding="valid")`).
        outputs: int, of the model. With several, masks and weights come as
            tuples, one for each, as Keras wants them: see
            `keras_seg.losses.deep_supervision`.

    Returns:
        `batches[i]` is a tuple of images, uint8 `(batch, height, width,
        channels)` (float32 if the data set has floats), masks, int32
        `(batch, height, width)`, and with `pixel_weights` the weights,
        float32 `(batch, height, width)`; 0 where a batch is padded.

    Example:

    >>> from keras_seg.data import Batches
    >>> from keras_seg.data import augment
    >>> from keras_seg.data import synthetic
    >>> images, masks = synthetic.membranes(5, size=64)
    >>> transforms = [augment.RandomScale(), augment.RandomCrop(32)]
    >>> batches = Batches(list(zip(images, masks)), 2, transforms)
    >>> [x.shape for x, y in batches]
    [(2, 32, 32, 3), (2, 32, 32, 3), (1, 32, 32, 3)]
    """

    def __init__(
        self,
        dataset,
        batch_size=8,
        transforms=(),
        *,
        shuffle=False,
        seed=0,
        drop_remainder=False,
        cache=True,
        workers=None,
        pixel_weights=None,
        margin=0,
        outputs=1,
    ):
        super().__init__(seed)
        check_positive(batch_size=batch_size, outputs=outputs)
        if workers is not None:
            check_positive(workers=workers)
        check_integer(0, margin=margin)
        if len(dataset) == 0:
            raise ValueError(
                "`dataset` must have at least one pair. "
                "Received: an empty data set"
            )
        if drop_remainder and len(dataset) < batch_size:
            raise ValueError(
                "`drop_remainder` leaves no batch. Received: "
                f"batch_size={batch_size} for {len(dataset)} pairs"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.transforms = checked_transforms(transforms)
        self.shuffle = shuffle
        self.drop_remainder = drop_remainder
        self.pixel_weights = pixel_weights
        self.margin = margin
        self.outputs = outputs
        self._pairs = PairCache(dataset, keep=cache)
        self._threads = workers or cpu_count() + 1
        self._ahead = ReadAhead(self._threads)

    def __len__(self):
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_remainder)

    def _batch(self, index, in_epoch):
        return self._get(self._ahead, index, _AHEAD if in_epoch else 0)

    def __iter__(self):
        ahead = ReadAhead(self._threads)
        try:
            for index in range(len(self)):
                yield self._get(ahead, index, _AHEAD)
        finally:
            ahead.close()

    def on_epoch_end(self):
        self._ahead.close()
        super().on_epoch_end()

    def __getstate__(self):
        state = super().__getstate__()
        del state["_ahead"]
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        self._ahead = ReadAhead(self._threads)

    def _get(self, ahead, index, count):
        last = min(index + count, len(self) - 1)
        epoch = self.epoch
        following = [(epoch, i) for i in range(index + 1, last + 1)]
        key = (epoch, index)
        images, *others = ahead.get(self._begin, key, following)
        if self.margin:
            others = [middle(array, self.margin) for array in others]
        if self.outputs > 1:
            others = [(array,) * self.outputs for array in others]
        return images, *others

    def _begin(self, submit, key):
        """Hand the pairs of a batch to threads, see `ReadAhead`."""
        epoch, index = key
        order = self._order(epoch)
        start = index * self.batch_size
        indices = [int(i) for i in order[start : start + self.batch_size]]
        size = augment.size_after(self.transforms)
        if size == augment.INPUT_SIZE:
            size = self._common_size(index, order)
        arrays = BatchArrays(indices, size, self.pixel_weights is not None)
        parts = [
            submit(self._fill, arrays, place, pair, (epoch, start + place))
            for place, pair in enumerate(indices)
        ]
        return parts, arrays.result

    def _fill(self, arrays, place, index, stream):
        with naming_pair(index):
            image, mask = self._pairs[index]
            size = augment.size_after(self.transforms)
            if size == augment.INPUT_SIZE:
                size = mask.shape
            rng = np.random.default_rng([self.seed, *stream])
            image, mask = augment.apply(self.transforms, image, mask, rng)
            weights = None
            if self.pixel_weights is not None:
                weights = np.asarray(self.pixel_weights(mask))
            check_transformed(image, mask, weights, size)
            # uint8, a quarter of the memory: a functional model turns its
            # input into floats by itself on every backend.
            if image.dtype != np.uint8:
                image = image.astype("float32", copy=False)
            arrays.fill(place, image, mask, weights)

    def _order(self, epoch):
        count = len(self.dataset)
        if not self.shuffle:
            return range(count)
        # Positions in the epoch are below `count`: this stream is no pair's.
        return np.random.default_rng([self.seed, epoch, count]).permutation(
            count
        )

    def _common_size(self, index, order):
        """The size that batch `index` is padded to."""
        if len(self) == 1:
            return tuple(self._sizes.max(axis=0).tolist())
        size = self._largest(index, order)
        # TensorFlow treats a side that the first two batches share as static.
        # Padding the first by one more pixel keeps that side dynamic.
        if index == 0:
            varies = (self._sizes != self._sizes[0]).any(axis=0)
            size = size + (varies & (size == self._largest(1, order)))
        return tuple(size.tolist())

    def _largest(self, index, order):
        start = index * self.batch_size
        return self._sizes[order[start : start + self.batch_size]].max(axis=0)

    @functools.cached_property
    def _sizes(self):
        return self._pairs.sizes()


def checked_transforms(transforms):
    """A tuple of transforms that leave one size for a batch."""
    if callable(transforms):
        raise ValueError(
            "`transforms` must be a sequence of transforms. "
            f"Received: transforms={transforms}"
        )
    transforms = tuple(transforms)
    for transform in transforms:
        if not callable(transform):
            raise ValueError(
                "`transforms` must be callables (image, mask, rng). "
                f"Received: {transform!r}"
            )
    if augment.size_after(transforms) is None:
        raise ValueError(
            "`transforms` must leave one size: put a RandomCrop or a "
            "BalancedCrop behind what changes sizes, a square one before "
            f"quarter turns. Received: transforms={transforms}"
        )
    return transforms


def check_transformed(image, mask, weights, size):
    """Refuse what transforms or weights of a user made of a pair."""
    if image.shape[:2] != size or mask.shape != size:
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

    A pair that is smaller than the batch is padded at the bottom and the
    right: with the mean color, with void, and with a weight of 0.

    Args:
        indices: sequence of int, the pairs of the batch in order.
        size: tuple (height, width) of the batch.
        weighted: bool, whether there are weights.
    """

    def __init__(self, indices, size, weighted=False):
        self._indices = indices
        self._lock = threading.Lock()
        shape = (len(indices), *size)
        self._images: Any = None
        self._masks = np.empty(shape, "int32")
        self._weights = np.empty(shape, "float32") if weighted else None
        self._channels = [0] * len(indices)
        self._later: list = []

    def fill(self, place, image, mask, weights=None):
        """Write one pair, at a place 0..count-1 of the batch."""
        with self._lock:
            self._channels[place] = image.shape[2]
            if self._images is None:
                self._images = np.empty(
                    (*self._masks.shape, image.shape[2]), image.dtype
                )
        images = self._images
        if images.shape[3] != image.shape[2]:
            return  # Refused by `result`.
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
        images = self._images
        if self._later:  # Floats, where a byte came first.
            images = images.astype("float32")
            for place, image in self._later:
                _write_image(images[place], image)
        arrays = (images, self._masks, self._weights)
        return arrays if self._weights is not None else arrays[:2]


def middle(array, margin):
    """An array `(batch, height, width)` without a margin on each side."""
    height, width = array.shape[1:]
    if min(height, width) <= 2 * margin:
        raise ValueError(
            "`margin` must leave pixels in the middle. Received: "
            f"margin={margin}, images of {(height, width)}"
        )
    inside = array[:, margin : height - margin, margin : width - margin]
    return np.ascontiguousarray(inside)


def _write(target, values, fill):
    height, width = values.shape
    target[:height, :width] = values
    target[height:] = fill
    target[:height, width:] = fill


def _write_image(target, image):
    height, width, channels = image.shape
    inside = target[:height, :width]
    if image.strides[1] == channels * image.itemsize:
        inside[...] = image
    else:
        # A mirrored image three bytes at a time would take five times as
        # long.
        for channel in range(channels):
            inside[..., channel] = image[..., channel]
    if inside.shape != target.shape:
        row = np.empty(target.shape[1:], target.dtype)
        row[...] = fill_color(None, channels)
        target[height:] = row
        target[:height, width:] = row[width:]
