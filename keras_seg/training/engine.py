"""Where a model is trained: here, on the one device that Keras takes."""

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import keras

from keras_seg.data import Batches
from keras_seg.data.share import Share

__all__ = ["Engine"]


class Engine:
    """What trains a model: one device of one process.

    `keras_seg.distributed.distribute` returns one for several devices.

    Attributes:
        devices: int, all devices.
        process: int, the number of this process; 0 writes the files.
        processes: int.
    """

    def __init__(self, devices: int = 1, process: int = 0, processes: int = 1):
        self.devices = devices
        self.process = process
        self.processes = processes
        self.part = Share(process, processes, devices)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """In it a model is built, compiled and prepared."""
        yield

    def agree(self, text: str) -> None:
        """Refuses processes that give different texts, all at once."""
        digests = self._digests(hashlib.sha256(text.encode()).digest())
        if len(set(digests)) > 1:
            raise ValueError(
                "The processes that train a model must have the same settings "
                "and data; they have others here than there. Fix: the same "
                "command, and the same files, on every machine."
            )

    def _digests(self, own: bytes) -> list[bytes]:
        """Those of all processes."""
        return [own]

    def leave(self) -> None:
        """Ends what joins the processes; each goes on by itself."""

    def prepare(self, model: keras.Model) -> None:
        """Lets a compiled model be trained by `fit` on all devices."""

    def fit(
        self,
        model: keras.Model,
        batches: Batches,
        validation_data: Batches | None = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Calls `fit` of a prepared model, with what each process reads."""
        with self.scope():
            return self._fit(model, batches, validation_data, **options)

    def _fit(self, model, batches, validation_data, **options):
        if validation_data is not None:
            validation_data = self.share(validation_data)
        return model.fit(
            self.share(batches), validation_data=validation_data, **options
        )

    def share(self, batches: Batches) -> Any:
        """Lets batches read what this process takes of them; returns them."""
        if self.processes > 1:
            batches.share = self.part
        return batches
