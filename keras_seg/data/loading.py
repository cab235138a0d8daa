"""Order, threads and cache of the data sets that `fit` reads."""

import abc
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Iterator

import keras
import numpy as np

from keras_seg.arguments import check_finite
from keras_seg.arguments import check_integer
from keras_seg.arguments import unmasked

__all__ = ["Epochs", "PairCache", "ReadAhead", "cpu_count", "naming_pair"]


_CACHE_BYTES = 2 * 2**30


class Epochs(keras.utils.PyDataset, abc.ABC):
    """Base of data sets whose batches depend only on seed, epoch and index.

    Between `on_epoch_begin` and the last batch of an epoch, batches come in
    order, whatever index is asked for: see `__getitem__`. Subclasses define
    `__len__` and `_batch`.
    """

    def __init__(self, seed: int):
        # One worker means that `fit` reads in its own thread; `Batches` reads
        # ahead by `ReadAhead`. With more, fit() on PyTorch and JAX begins an
        # epoch to build the model and keeps what was read ahead for it: its
        # first epoch trained on batches 1 to 5 of epoch 0 and on batch 0 of
        # epoch 1 (Keras 3.15). Also, only one thread would read a batch.
        super().__init__(workers=1)
        check_integer(0, seed=seed)
        self.seed = int(seed)
        self.epoch = 0
        self._position: int | None = None
        self._lock = threading.Lock()

    @abc.abstractmethod
    def _batch(self, index, in_epoch):
        """Batch `index` of `self.epoch`; if `in_epoch`, the next is due."""

    def __getitem__(self, index: int) -> tuple:
        count = len(self)
        if not 0 <= index < count:
            raise IndexError(f"`index` is 0..{count - 1}. Received: {index}")
        # fit() shuffles the indices it asks for, with Python's global
        # generator, differently on each backend: the order of the calls, not
        # `index`, says which batch is due.
        with self._lock:
            due = self._position
            if due is not None:
                index = due
                self._position = None if due == count - 1 else due + 1
        return self._batch(index, due is not None)

    def __iter__(self) -> Iterator[tuple]:
        for index in range(len(self)):
            yield self._batch(index, False)

    def on_epoch_begin(self) -> None:
        self._position = 0

    def on_epoch_end(self) -> None:
        self._position = None
        self.epoch += 1

    def __getstate__(self):
        state = self.__dict__.copy()
        del state["_lock"]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._lock = threading.Lock()


class ReadAhead:
    """Builds batches on threads, and starts the next ones ahead of time.

    The threads end with the last batch, with `close()`, or with the object.
    """

    def __init__(self, workers):
        self._workers = workers
        self._lock = threading.Lock()
        self._pool = None
        self._begun: dict = {}

    def get(self, begin, key, following=()):
        """Wait for the batch of a key.

        Args:
            begin: callable `(submit, key)` that passes the parts of a batch
                to `submit(function, *arguments)`, and returns the list of
                futures and a function that returns the batch when all are
                done. It is not kept, since the threads would then keep its
                object alive.
            key: hashable.
            following: sequence of keys of batches to start as well. All
                others that were started are cancelled.
        """
        with self._lock:
            self._give_up(set(self._begun).difference([key], following))
            if self._pool is None:
                self._pool = concurrent.futures.ThreadPoolExecutor(
                    self._workers, thread_name_prefix="keras_seg_batches"
                )
            for wanted in (key, *following):
                if wanted not in self._begun:
                    self._begun[wanted] = begin(self._pool.submit, wanted)
            parts, finish = self._begun.pop(key)
        try:
            # One wait for all, since each wake-up takes the GIL.
            concurrent.futures.wait(parts)
            for part in parts:
                part.result()
        except BaseException:
            for part in parts:
                part.cancel()
            self.close()
            raise
        if not following:
            self.close()
        return finish()

    def close(self):
        """Cancel what was started, and let the threads end."""
        with self._lock:
            self._give_up(list(self._begun))
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def _give_up(self, keys):
        for key in keys:
            for part in self._begun.pop(key)[0]:
                part.cancel()


def cpu_count():
    """Number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class PairCache:
    """Reads pairs, and keeps up to 2 GiB of them in memory if `keep`.

    `cache[i]` is a tuple of an image `(height, width, channels)`, uint8 or
    float32, and an integer mask `(height, width)` or `(height, width,
    classes)`, both read-only.
    """

    def __init__(self, dataset, keep=True):
        self._dataset = dataset
        self._keep = keep
        self._empty()

    def _empty(self):
        self._lock = threading.Lock()
        self._pairs: dict = {}
        self._bytes = 0

    def __getitem__(self, index):
        pair = self._pairs.get(index)
        if pair is not None:
            return pair
        image, mask = self._dataset[index]
        planes = getattr(self._dataset, "multi_label", None)
        pair = _checked(unmasked(image), unmasked(mask), index, planes)
        if self._keep:
            size = sum(array.nbytes for array in pair)
            with self._lock:
                fits = self._bytes + size <= _CACHE_BYTES
                if fits and index not in self._pairs:
                    self._bytes += size
                    self._pairs[index] = pair
        return pair

    def sizes(self):
        """Heights and widths of all pairs, an int array `(count, 2)`."""
        indices = range(len(self._dataset))
        size = getattr(self._dataset, "size", None)
        if callable(size):
            return np.array([size(i) for i in indices])
        sizes = []
        for index in indices:
            with naming_pair(index):
                sizes.append(self[index][1].shape[:2])
        return np.array(sizes)

    def __getstate__(self):
        return {"_dataset": self._dataset, "_keep": self._keep}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._empty()


@contextlib.contextmanager
def naming_pair(index):
    """Add a note with the index of the pair to any exception raised inside.

    What has one has that of another pair, which was read for this one.
    """
    try:
        yield
    except Exception as error:
        if not any("It was pair" in x for x in getattr(error, "__notes__", ())):
            error.add_note(f"It was pair {index} of the data set.")
        raise


def _checked(image, mask, index, multi_label):
    """A pair of arrays as they are kept.

    `multi_label` says whether masks have a plane for each class; `None`
    takes both, but no mask of one plane, which may be meant as `(height,
    width)`.
    """
    planes = mask.ndim == 3 and mask.shape[2] > (0 if multi_label else 1)
    allowed = planes if multi_label else mask.ndim == 2
    if multi_label is None:
        allowed = planes or mask.ndim == 2
    if (
        image.ndim != 3
        or image.shape[2] == 0
        or not allowed
        or image.shape[:2] != mask.shape[:2]
        or not np.issubdtype(mask.dtype, np.integer)
    ):
        raise ValueError(
            "A pair must be an image (height, width, channels) and an integer "
            "mask (height, width), or (height, width, classes) of several "
            f"labels. Received: pair {index} with an image "
            f"{image.shape} and a mask {mask.shape} of {mask.dtype}"
        )
    check_finite(image)
    if image.dtype != np.uint8:
        image = image.astype("float32", copy=False)
    pair = image.view(), mask.view()
    for array in pair:
        array.setflags(write=False)
    return pair
