"""Pairs of a data set, checked, and kept once read."""

import contextlib
import threading

import numpy as np

__all__ = ["PairCache", "naming_pair"]

_CACHE_BYTES = 2 * 2**30


class PairCache:
    """Reads pairs, and keeps them in memory up to 2 GiB if `keep`.

    `cache[i]` is a tuple of an image `(height, width, channels)`, uint8 or
    float32, and an integer mask `(height, width)`. Neither can be written to.
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
        pair = _checked(np.asarray(image), np.asarray(mask), index)
        if self._keep:
            size = sum(array.nbytes for array in pair)
            with self._lock:
                fits = self._bytes + size <= _CACHE_BYTES
                if fits and index not in self._pairs:
                    self._bytes += size
                    self._pairs[index] = pair
        return pair

    def sizes(self):
        """Height and width of every pair, an int array `(count, 2)`."""
        indices = range(len(self._dataset))
        size = getattr(self._dataset, "size", None)
        if callable(size):
            return np.array([size(i) for i in indices])
        sizes = []
        for index in indices:
            with naming_pair(index):
                sizes.append(self[index][1].shape)
        return np.array(sizes)

    def __getstate__(self):
        return {"_dataset": self._dataset, "_keep": self._keep}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._empty()


@contextlib.contextmanager
def naming_pair(index):
    """Whatever is raised inside gets a note of the pair it was."""
    try:
        yield
    except Exception as error:
        error.add_note(f"It was pair {index} of the data set.")
        raise


def _checked(image, mask, index):
    if (
        image.ndim != 3
        or image.shape[2] == 0
        or image.shape[:2] != mask.shape
        or not np.issubdtype(mask.dtype, np.integer)
    ):
        raise ValueError(
            "A pair must be an image (height, width, channels) and an integer "
            f"mask (height, width). Received: pair {index} with an image "
            f"{image.shape} and a mask {mask.shape} of {mask.dtype}"
        )
    if image.dtype != np.uint8:
        image = image.astype("float32", copy=False)
    pair = image.view(), mask.view()
    for array in pair:
        array.setflags(write=False)
    return pair
