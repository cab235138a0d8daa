"""Several devices on JAX, by `keras.distribution.DataParallel`."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import keras

from keras_seg.distributed.processes import lost_others
from keras_seg.keras_private import placing_batches
from keras_seg.training.engine import Engine

__all__ = ["JAXEngine"]


class JAXEngine(Engine):
    """Cuts arrays over devices; JAX computes as if they were one.

    Losses, metrics and the statistics of batch norm are those of the whole
    batch, without anything done to the model.
    """

    def __init__(self, devices: list[str], process: int, processes: int):
        super().__init__(len(devices), process, processes)
        self._distribution = keras.distribution.DataParallel(
            devices=devices, auto_shard_dataset=False
        )

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        with (
            lost_others(),
            self._distribution.scope(),
            placing_batches(self._place),
        ):
            yield

    def leave(self) -> None:
        if self.processes > 1:
            jax.distributed.shutdown()

    def _place(self, array: Any, layout: Any, batch_dim_name: str) -> Any:
        """Places what this process has of a batch; see `Share`."""
        whole = self.part.whole
        if self.processes == 1:
            whole = self.part.is_whole(len(array))
        sharding = getattr(layout, "backend_layout", layout)
        if whole:
            nowhere = jax.sharding.PartitionSpec()
            sharding = jax.sharding.NamedSharding(sharding.mesh, nowhere)
        return jax.make_array_from_process_local_data(sharding, array)
