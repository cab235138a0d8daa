"""Several devices on JAX, by `keras.distribution.DataParallel`."""

import atexit
import contextlib
import math
import os
import sys
from collections.abc import Iterator
from typing import Any

import jax
import keras
import numpy as np
from jax.experimental.multihost_utils import process_allgather

from keras_seg.distributed.processes import OthersLost
from keras_seg.distributed.processes import lost_others
from keras_seg.keras_private import placing_batches
from keras_seg.training.engine import Engine

__all__ = ["JAXEngine", "SplitWeights"]

# Values of a weight below which it is not worth to ask others for them.
LEAST = 4096


class JAXEngine(Engine):
    """Cuts arrays over devices; JAX computes as if they were one.

    Losses, metrics and the statistics of batch norm are those of the whole
    batch, without anything done to the model.
    """

    def __init__(
        self, devices: list[str], process: int, processes: int, split: int = 1
    ):
        super().__init__(len(devices) // split, process, processes)
        self._distribution: Any = keras.distribution.DataParallel(
            devices=devices, auto_shard_dataset=False
        )
        if split > 1:
            self._distribution = SplitWeights(devices, split)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        try:
            with (
                lost_others(),
                self._distribution.scope(),
                placing_batches(self._place),
            ):
                yield
        except OthersLost:
            # JAX would wait for them when Python ends, and abort.
            atexit.register(_end_at_once)
            raise

    def _digests(self, own: bytes) -> list[bytes]:
        if self.processes == 1:
            return [own]
        found = process_allgather(np.frombuffer(own, np.uint8))
        return [row.tobytes() for row in np.asarray(found)]

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


def _end_at_once() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


class SplitWeights(keras.distribution.ModelParallel):
    """`ModelParallel` for any network: large weights are cut over devices.

    Keras's `LayoutMap` has names of weights, and a layout for each. Here the
    shape decides, so that it serves every builder and backbone: a weight of
    `LEAST` values or more is cut along its longest axis that the devices can
    divide, the last one of equals: the filters of a convolution, the units of
    a dense layer, the heads of an attention. What the optimizer keeps of it is
    cut alike. JAX moves what a layer needs when it needs it.

    Args:
        devices: list of str.
        split: int, how many of them hold the weights together.
    """

    def __init__(self, devices: list[str], split: int):
        mesh = keras.distribution.DeviceMesh(
            (len(devices) // split, split), ["batch", "weights"], devices
        )
        super().__init__(
            layout_map=keras.distribution.LayoutMap(mesh),
            batch_dim_name="batch",
            auto_shard_dataset=False,
        )

    def get_variable_layout(self, variable: Any) -> Any:
        known = super().get_variable_layout(variable)
        split = self.device_mesh.shape[1]
        axes: list[str | None] = [None] * len(variable.shape)
        sizes = [
            (size, axis)
            for axis, size in enumerate(variable.shape)
            if size % split == 0
        ]
        if any(known.axes) or not sizes or math.prod(variable.shape) < LEAST:
            return known
        axes[max(sizes)[1]] = "weights"
        return keras.distribution.TensorLayout(axes, self.device_mesh)
