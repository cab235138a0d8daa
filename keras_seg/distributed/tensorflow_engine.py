"""Several devices on TensorFlow, by `tf.distribute.MirroredStrategy`."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_seg.data import VOID
from keras_seg.data import Batches
from keras_seg.distributed.whole_batch import compute_loss_of_whole
from keras_seg.distributed.whole_batch import synchronize_batch_norm
from keras_seg.training.engine import Engine

__all__ = ["TensorFlowEngine"]


class TensorFlowEngine(Engine):
    """Copies the model to each device; TensorFlow adds up the gradients."""

    def __init__(self, devices: list[str]):
        super().__init__(len(devices))
        self._strategy = tf.distribute.MirroredStrategy(devices)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        with self._strategy.scope():
            yield

    def prepare(self, model: keras.Model) -> None:
        if "compute_loss" in vars(model):
            raise ValueError(
                "A teacher, or a loss that was put into a model, cannot be "
                "shared among devices of TensorFlow. Fix: one device, or JAX "
                "or PyTorch."
            )
        synchronize_batch_norm(model, _moments)
        kinds = {
            getattr(loss, "reduction", None)
            for loss in keras.tree.flatten(model.loss)
        }
        if kinds == {"sum"}:
            return  # The sums of the devices are added.
        if "sum" in kinds:
            raise ValueError(
                "On several devices of TensorFlow the losses of all outputs "
                "are sums over the batch, or none is. Received: "
                f"loss={model.loss}"
            )
        compute_loss_of_whole(model, _gather)

    def share(self, batches: Batches) -> Any:
        return _AtLeast(self.devices, batches)


class _AtLeast(keras.utils.PyDataset):
    """Batches that have an image for each device.

    TensorFlow gives a device without one a map without pixels, on which a
    convolution fails. A smaller batch is repeated, its masks void: neither its
    loss, nor the statistics of batch norm or the metrics change. In the mean
    loss of an epoch it counts as often as it was repeated.
    """

    def __init__(self, least: int, batches: Batches):
        super().__init__(workers=1)
        self._least = least
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple:
        batch = self._batches[index]
        count = len(batch[0])
        copies = -(-self._least // count) - 1
        if copies == 0:
            return batch
        images, *others = batch
        padded = keras.tree.map_structure(
            lambda x: np.concatenate([x, *[_void(x)] * copies]), others
        )
        return np.concatenate([images] * (copies + 1)), *padded

    def on_epoch_begin(self) -> None:
        self._batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()


def _void(x: NDArray) -> NDArray:
    """Masks without labels, or weights of 0."""
    return np.full_like(x, VOID if x.dtype.kind == "i" else 0)


def _gather(x: Any) -> Any:
    context = tf.distribute.get_replica_context()
    if context is None:
        return x
    own = tf.shape(x)[:1]
    rows = context.all_gather(own, axis=0)
    whole = context.all_gather(tf.stop_gradient(x), axis=0)
    if not x.dtype.is_floating:
        return whole
    number = context.replica_id_in_sync_group
    before = tf.reduce_sum(rows[:number])
    after = tf.reduce_sum(rows[number + 1 :])
    # Zero, with the gradient of the part of this device.
    part = (x - tf.stop_gradient(x)) * context.num_replicas_in_sync
    sides = [[before, after]] + [[0, 0]] * (x.shape.rank - 1)
    return whole + tf.pad(part, sides)


def _moments(x: Any, axes: Any) -> tuple[Any, Any]:
    return keras.ops.moments(x, axes, synchronized=True)
