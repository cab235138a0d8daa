"""Batches in an order of their own, whichever `fit` asks for."""

import abc
import threading

import keras

from keras_seg.arguments import check_integer

__all__ = ["Epochs"]


class Epochs(keras.utils.PyDataset, abc.ABC):
    """Batches that depend on the seed, the epoch and their index alone.

    `fit` calls `on_epoch_end` once before its first epoch, so a new object
    trains on epochs 1, 2, … Between `on_epoch_begin` and the last batch of an
    epoch, batches come in the order of the calls, whatever index is asked
    for. Subclasses have a length, and `_batch`.

    Args:
        seed: int, 0 or more.

    Raises:
        ValueError: for another seed.
    """

    def __init__(self, seed):
        # Keras's own workers read ahead, and its fit() throws away one epoch
        # begun: with them, batches read ahead for it turn up in the next.
        super().__init__(workers=1)
        check_integer(0, seed=seed)
        self.seed = int(seed)
        self.epoch = 0
        self._position = None
        self._lock = threading.Lock()

    @abc.abstractmethod
    def _batch(self, index, in_epoch):
        """Batch `index` of `self.epoch`; `in_epoch`, the next one follows."""

    def __getitem__(self, index):
        count = len(self)
        if not 0 <= index < count:
            raise IndexError(f"`index` is 0..{count - 1}. Received: {index}")
        # By default fit() shuffles the indices it asks for, with Python's
        # global generator, differently on each backend. The order of the
        # calls is the one thing it leaves to go by.
        with self._lock:
            in_epoch = self._position is not None
            if in_epoch:
                index = self._position
                last = index == count - 1
                self._position = None if last else index + 1
        return self._batch(index, in_epoch)

    def __iter__(self):
        for index in range(len(self)):
            yield self._batch(index, False)

    def on_epoch_begin(self):
        self._position = 0

    def on_epoch_end(self):
        self._position = None
        self.epoch += 1

    def __getstate__(self):
        state = self.__dict__.copy()
        del state["_lock"]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._lock = threading.Lock()
