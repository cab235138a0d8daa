"""Batches of images and masks for `fit`, the same on every backend."""

import concurrent.futures
import functools
import threading

import keras
import numpy as np

from keras_seg.data import augment

__all__ = ["Batches"]

_CACHE_BYTES = 2 * 2**30


class Batches(keras.utils.PyDataset):
    """Batches `(images, masks)` of any sequence of `(image, mask)` pairs.

    What a batch holds depends on `seed`, `epoch` and its index alone: not on
    the backend, the number of workers, or what was read before.

    The scale is drawn first, then the crop, then the flip. Without `crop` the
    images of a batch are padded at the bottom and the right to the largest of
    them, with the mean colour and with void.

    `fit` calls `on_epoch_end` once before its first epoch, so a new object
    trains on epochs 1, 2, …; to go on where another run stopped after k
    epochs, set `epoch = k` first. Leave out `steps_per_epoch`: an epoch is
    all batches. Between `on_epoch_begin` and the last batch of an epoch,
    batches come in the order of the calls, whatever index is asked for.

    Args:
        dataset: a `Folder`, a list of tuples, or anything else with `len()`
            and `dataset[i] -> (image, mask)`: an image `(height, width, 3)`
            of 0..255, uint8 or float, and an integer mask `(height, width)`.
        batch_size: int.
        crop: optional int or tuple (height, width), the size of a random
            crop.
        flip: bool, mirror every second image.
        scale: optional tuple (low, high) of a random factor; needs `crop`.
        shuffle: bool, draw a new order in every epoch.
        seed: int, 0 or more.
        drop_remainder: bool, leave out a last batch that is not full.
        cache: bool, keep decoded pairs in memory, up to 2 GiB.
        workers: int, threads that read and augment the images of a batch.

    Returns:
        `batches[i]` is a tuple of images, uint8 `(batch, height, width, 3)`
        (float32 if the data set has floats), and masks, int32
        `(batch, height, width)`.

    Example:

    >>> from keras_seg.data import Batches
    >>> from keras_seg.data import synthetic
    >>> images, masks = synthetic.membranes(5, size=64)
    >>> batches = Batches(list(zip(images, masks)), batch_size=2, crop=32)
    >>> [x.shape for x, y in batches]
    [(2, 32, 32, 3), (2, 32, 32, 3), (1, 32, 32, 3)]
    """

    def __init__(
        self,
        dataset,
        batch_size=8,
        *,
        crop=None,
        flip=False,
        scale=None,
        shuffle=False,
        seed=0,
        drop_remainder=False,
        cache=True,
        workers=1,
    ):
        # Keras's own workers read ahead, and its fit() throws away one epoch
        # begun: with them, batches read ahead for it turn up in the next.
        super().__init__(workers=1)
        _check_positive("batch_size", batch_size)
        _check_positive("workers", workers)
        if crop is not None:
            crop = (crop, crop) if np.ndim(crop) == 0 else tuple(crop)
            if len(crop) != 2:
                raise ValueError(
                    "`crop` must be an int or (height, width). "
                    f"Received: crop={crop}"
                )
            for side in crop:
                _check_positive("crop", side)
        if scale is not None:
            if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
                raise ValueError(
                    "`scale` must be (low, high) with 0 < low <= high. "
                    f"Received: scale={scale}"
                )
            if crop is None:
                raise ValueError(
                    "`scale` needs `crop`, or every batch would have a size "
                    f"of its own. Received: scale={scale}, crop=None"
                )
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(
                f"`seed` must be an int of 0 or more. Received: seed={seed}"
            )
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
        self.crop = crop
        self.flip = flip
        self.scale = scale
        self.shuffle = shuffle
        self.seed = int(seed)
        self.drop_remainder = drop_remainder
        self.epoch = 0
        self._cache: dict | None = {} if cache else None
        self._cached_bytes = 0
        self._threads = workers
        self._lock = threading.Lock()
        self._position = None

    def __len__(self):
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_remainder)

    def __getitem__(self, index):
        count = len(self)
        if not 0 <= index < count:
            raise IndexError(f"`index` is 0..{count - 1}. Received: {index}")
        # By default fit() shuffles the indices it asks for, with Python's
        # global generator, differently on each backend. The order of the
        # calls is the one thing it leaves to go by.
        with self._lock:
            if self._position is not None:
                index = self._position
                last = index == count - 1
                self._position = None if last else index + 1
        return self._batch(index)

    def on_epoch_begin(self):
        self._position = 0

    def on_epoch_end(self):
        self._position = None
        self.epoch += 1

    def _batch(self, index):
        order = self._order()
        start = index * self.batch_size
        positions = range(start, min(start + self.batch_size, len(order)))
        if self._threads == 1:
            pairs = [self._draw(p, order[p]) for p in positions]
        else:
            with concurrent.futures.ThreadPoolExecutor(self._threads) as pool:
                indices = [order[p] for p in positions]
                pairs = list(pool.map(self._draw, positions, indices))
        if self.crop is None:
            size = self._common_size(index, order)
            pairs = [augment.pad_to(x, y, size) for x, y in pairs]
        # uint8, a quarter of the memory: a functional model turns its input
        # into floats by itself on every backend.
        images = np.stack([image for image, _ in pairs])
        return images, np.stack([mask for _, mask in pairs])

    def _order(self):
        count = len(self.dataset)
        if not self.shuffle:
            return range(count)
        # Positions in the epoch are below `count`: this stream is no pair's.
        rng = np.random.default_rng([self.seed, self.epoch, count])
        return rng.permutation(count)

    def _draw(self, position, index):
        image, mask = self._load(int(index))
        rng = np.random.default_rng([self.seed, self.epoch, position])
        if self.scale is not None:
            image, mask = augment.random_scale(image, mask, self.scale, rng)
        if self.crop is not None:
            image, mask = augment.random_crop(image, mask, self.crop, rng)
        if self.flip:
            image, mask = augment.random_flip(image, mask, rng)
        return image, mask.astype("int32")

    def _load(self, index):
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        image, mask = self.dataset[index]
        pair = _checked(np.asarray(image), np.asarray(mask), index)
        if self._cache is not None:
            with self._lock:
                size = pair[0].nbytes + pair[1].nbytes
                if self._cached_bytes + size <= _CACHE_BYTES:
                    self._cached_bytes += size
                    self._cache[index] = pair
        return pair

    def _common_size(self, index, order):
        """The size that batch `index` is padded to."""
        if len(self) == 1:
            return tuple(self._sizes.max(axis=0).tolist())
        size = self._largest(index, order)
        # On TensorFlow, fit() takes a side that batches 0 and 1 share for the
        # side of all. Where that is wrong, one more pixel of void says so.
        if index == 0:
            varies = (self._sizes != self._sizes[0]).any(axis=0)
            size = size + (varies & (size == self._largest(1, order)))
        return tuple(size.tolist())

    def _largest(self, index, order):
        start = index * self.batch_size
        return self._sizes[order[start : start + self.batch_size]].max(axis=0)

    @functools.cached_property
    def _sizes(self):
        indices = range(len(self.dataset))
        size = getattr(self.dataset, "size", None)
        if not callable(size):
            return np.array([self._load(i)[1].shape for i in indices])
        return np.array([size(i) for i in indices])


def _check_positive(name, value):
    if not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(
            f"`{name}` must be an int of 1 or more. Received: {name}={value}"
        )


def _checked(image, mask, index):
    if (
        image.ndim != 3
        or image.shape[2] != 3
        or image.shape[:2] != mask.shape
        or not np.issubdtype(mask.dtype, np.integer)
    ):
        raise ValueError(
            "A pair must be an image (height, width, 3) and an integer mask "
            f"(height, width). Received: pair {index} with an image "
            f"{image.shape} and a mask {mask.shape} of {mask.dtype}"
        )
    return image if image.dtype == np.uint8 else image.astype("float32"), mask
