"""Batches of images and masks for `fit`, the same on every backend."""

import functools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_positive
from keras_seg.data import augment
from keras_seg.data.batch_arrays import BatchArrays
from keras_seg.data.batch_arrays import check_transformed
from keras_seg.data.folder import PairSequence
from keras_seg.data.loading import Epochs
from keras_seg.data.loading import PairCache
from keras_seg.data.loading import ReadAhead
from keras_seg.data.loading import cpu_count
from keras_seg.data.loading import naming_pair
from keras_seg.data.share import Share

__all__ = ["Batches", "checked_transforms"]

_AHEAD = 2  # batches that are read beyond the current one


class Batches(Epochs):
    """Batches `(images, masks)` of a sequence of `(image, mask)` pairs.

    `batches[i]` is a tuple of images, uint8 `(batch, height, width,
    channels)`, float32 if the data set has floats; masks, int32 `(batch,
    height, width)`, or `(batch, height, width, classes)` of several labels;
    and, with `pixel_weights`, float32 weights `(batch, height, width)`. It
    depends only on `seed`, `epoch` and `i`, not on the backend or
    the number of workers. Threads read and transform the next batches while
    the model trains on one.

    Images that differ in size after all transforms are padded at the bottom
    and the right to the largest of their batch, with the mean color, with
    void, and with a weight of 0. Transforms that draw a size, such as
    `RandomScale`, must be followed by a crop.

    `fit` calls `on_epoch_end` once before its first epoch, so a new object
    trains on epochs 1, 2, …; to continue a run that stopped after k epochs,
    set `epoch = k` first. Do not pass `steps_per_epoch`: an epoch is all
    batches.

    Args:
        dataset: a `Folder`, a list of tuples, or any object with `len()` and
            `dataset[i] -> (image, mask)`: an image `(height, width,
            channels)` of 0..255, uint8 or float, and an integer mask
            `(height, width)`, or `(height, width, classes)` of several
            labels: 1 where a class is, 0 where it is not, 255 where that is
            not known. Several threads read it.
        batch_size: int.
        transforms: sequence of `keras_seg.data.augment.Transform`s, or of
            other callables `(image, mask, rng) -> (image, mask)` that keep
            the size, applied in order. Those that mix pairs get others of
            the data set, see `keras_seg.data.augment.Mix`.
        shuffle: bool, whether to draw a new order in every epoch.
        repeat: int, how often an epoch goes through the data set, for fewer
            validations in as many updates. Defaults to 1.
        seed: int, 0 or more.
        drop_remainder: bool, whether to leave out an incomplete last batch.
        cache: bool, whether to keep decoded pairs in memory, up to 2 GiB.
        workers: int, number of threads. Defaults to the number of CPUs plus
            one, since threads also wait for the disk.
        pixel_weights: optional callable from a transformed mask to a float32
            array `(height, width)`, `fit`'s sample weights.
        margin: int, pixels at each side of an image for which the model has
            no logits; they are cut off masks and weights. 92 for the paper's
            U-Net (`applications.UNet(padding="valid")`).
        outputs: int, number of the model's outputs. If more than one, masks
            and weights are tuples with an element for each: see
            `keras_seg.losses.deep_supervision`.

    Attributes:
        share: `keras_seg.data.share.Share`, the part of each batch that is
            read where several processes train, or None for all of it. An
            image is transformed in the same way whoever reads it.

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
        dataset: PairSequence,
        batch_size: int = 8,
        transforms: Sequence[Callable] = (),
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_remainder: bool = False,
        cache: bool = True,
        workers: int | None = None,
        pixel_weights: Callable[[NDArray], NDArray] | None = None,
        margin: int = 0,
        outputs: int = 1,
        repeat: int = 1,
    ):
        super().__init__(seed)
        check_positive(batch_size=batch_size, outputs=outputs, repeat=repeat)
        if workers is not None:
            check_positive(workers=workers)
        check_integer(0, margin=margin)
        if len(dataset) == 0:
            raise ValueError(
                "`dataset` must have at least one pair. "
                "Received: an empty data set"
            )
        if drop_remainder and len(dataset) * repeat < batch_size:
            raise ValueError(
                "`drop_remainder` leaves no batch. Received: "
                f"batch_size={batch_size} for {len(dataset)} pairs"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.transforms = checked_transforms(transforms)
        self.shuffle = shuffle
        self.repeat = repeat
        self.drop_remainder = drop_remainder
        self.pixel_weights = pixel_weights
        self.margin = margin
        self.outputs = outputs
        self.share: Share | None = None
        self._pairs = PairCache(dataset, keep=cache)
        self._threads = workers or cpu_count() + 1
        self._ahead = ReadAhead(self._threads)

    def __len__(self) -> int:
        pairs = len(self.dataset) * self.repeat
        full, rest = divmod(pairs, self.batch_size)
        return full + (rest > 0 and not self.drop_remainder)

    def _batch(self, index, in_epoch):
        return self._get(self._ahead, index, _AHEAD if in_epoch else 0)

    def __iter__(self) -> Iterator[tuple]:
        ahead = ReadAhead(self._threads)
        try:
            for index in range(len(self)):
                yield self._get(ahead, index, _AHEAD)
        finally:
            ahead.close()

    def show(self, index: int = 0) -> Image.Image:
        """Draws a batch as `fit` gets it, images beside their masks.

        Args:
            index: int, the number of the batch.

        Returns:
            `PIL.Image.Image`, which a notebook shows and `.save("batch.png")`
            writes.

        Raises:
            ValueError: If there is no such batch, or `margin` leaves masks
                that are smaller than their images.

        Example:

        >>> from keras_seg.data import Batches
        >>> from keras_seg.data import synthetic
        >>> pairs = list(zip(*synthetic.membranes(4, size=64)))
        >>> picture = Batches(pairs, 4, shuffle=True).show()
        """
        from keras_seg.visualization import gallery
        from keras_seg.visualization.notebook import as_image

        if not 0 <= index < len(self):
            raise ValueError(
                f"`index` must be one of {len(self)} batches, from 0. "
                f"Received: index={index}"
            )
        images, masks, *_ = self[index]
        if self.outputs > 1:
            masks = masks[0]
        table = getattr(self.dataset, "class_table", None)
        order = self._order(self.epoch)[index * self.batch_size :]
        titles = [f"pair {int(i)}" for i in order[: len(images)]]
        return as_image(
            gallery(list(zip(titles, images, masks, strict=True)), table)
        )

    def on_epoch_end(self) -> None:
        self._ahead.close()
        if self.share is not None:
            self.share.whole = True  # Of what is read from elsewhere.
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
        if self.share is not None:
            self.share.whole = self.share.is_whole(self._count(index))
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
        places = range(len(indices))
        if self.share is not None:
            places = self.share.places(len(indices))
            indices = [indices[place] for place in places]
        arrays = BatchArrays(indices, size, self.pixel_weights is not None)
        parts = [
            submit(self._fill, arrays, number, pair, (epoch, start + place))
            for number, (place, pair) in enumerate(
                zip(places, indices, strict=True)
            )
        ]
        return parts, arrays.result

    def _fill(self, arrays, place, index, stream):
        with naming_pair(index):
            image, mask = self._pairs[index]
            size = augment.size_after(self.transforms)
            if size == augment.INPUT_SIZE:
                size = mask.shape[:2]
            rng = np.random.default_rng([self.seed, *stream])
            image, mask = augment.apply(
                self.transforms,
                image,
                mask,
                rng,
                functools.partial(self._another, index),
            )
            weights = None
            if self.pixel_weights is not None:
                weights = np.asarray(self.pixel_weights(mask))
            check_transformed(image, mask, weights, size)
            # A functional model casts uint8 to floats itself.
            if image.dtype != np.uint8:
                image = image.astype("float32", copy=False)
            arrays.fill(place, image, mask, weights)

    def _count(self, index):
        """The number of images in a batch."""
        left = len(self.dataset) * self.repeat - index * self.batch_size
        return min(self.batch_size, left)

    def _another(self, index, rng):
        """A random pair other than one, if there are several."""
        count = len(self.dataset)
        chosen = (index + int(rng.integers(1, max(2, count)))) % count
        with naming_pair(chosen):
            return self._pairs[chosen]

    def _order(self, epoch):
        count = len(self.dataset)
        if not self.shuffle:
            return np.tile(np.arange(count), self.repeat)
        # The streams of pairs end in their positions, all below this number.
        rng = np.random.default_rng([self.seed, epoch, count * self.repeat])
        orders = [rng.permutation(count) for _ in range(self.repeat)]
        return np.concatenate(orders)

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
    """A tuple of transforms, which must give a batch one size."""
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


def middle(array, margin):
    """An array `(batch, height, width, ...)` without a margin on each side."""
    height, width = array.shape[1:3]
    if min(height, width) <= 2 * margin:
        raise ValueError(
            "`margin` must leave pixels in the middle. Received: "
            f"margin={margin}, images of {(height, width)}"
        )
    inside = array[:, margin : height - margin, margin : width - margin]
    return np.ascontiguousarray(inside)
