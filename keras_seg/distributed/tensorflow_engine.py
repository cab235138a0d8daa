"""Several devices on TensorFlow, by `tf.distribute.MirroredStrategy`."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_seg.data import VOID
from keras_seg.data import Batches
from keras_seg.distributed.whole_batch import compute_loss_of_whole
from keras_seg.distributed.whole_batch import draw_apart
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
        own_loss = vars(model).get("compute_loss")
        if own_loss and not hasattr(own_loss, "is_of_losses"):
            raise ValueError(
                "A `compute_loss` that was put into a model may count each "
                "device of TensorFlow as the whole. Fix: put it into "
                "`compile(loss=...)`, or one device, or JAX or PyTorch."
            )
        if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "With float16 Keras looks at the gradients of the first "
                "device of TensorFlow alone for what is not finite, and clips "
                "those of each. Fix: mixed_bfloat16, one device, or JAX or "
                "PyTorch. Received: optimizer=LossScaleOptimizer"
            )
        _add_up_first(model.optimizer)
        synchronize_batch_norm(model, _moments)
        draw_apart(model, _place)
        kinds = {
            getattr(loss, "reduction", None)
            for loss in keras.tree.flatten(model.loss)
        }
        if kinds == {"sum"} and own_loss is None:
            return  # The sums of the devices are added.
        if "sum" in kinds:
            raise ValueError(
                "On several devices of TensorFlow the losses of all outputs "
                "are sums over the batch, or none is, nor with a teacher. "
                f"Received: loss={model.loss}"
            )
        compute_loss_of_whole(model, _gather)

    def fit(
        self,
        model: keras.Model,
        batches: Batches,
        validation_data: Batches | None = None,
        **options: Any,
    ) -> keras.callbacks.History:
        # A network that a callback makes, such as one for predictions, would
        # run on every device inside the scope. The model knows its own.
        return self._fit(model, batches, validation_data, **options)

    def share(self, batches: Batches) -> Any:
        return _Multiples(self.devices, batches)


class _Multiples(keras.utils.PyDataset):
    """Batches that devices can divide.

    Keras 3.15 fails if the parts of the first batch differ in size, and so
    does a convolution of a device that has none. Any other batch is repeated
    until it is a multiple of the devices, the masks of the copies void:
    neither its loss, nor the statistics of batch norm or the metrics change.
    In the mean loss of an epoch it counts as often as it was repeated.
    """

    def __init__(self, devices: int, batches: Batches):
        super().__init__(workers=1)
        self._devices = devices
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple:
        images, *others = self._batches[index]
        copies = math.lcm(len(images), self._devices) // len(images) - 1
        padded = keras.tree.map_structure(
            lambda x: np.concatenate([x, *[_void(x)] * copies]), others
        )
        return np.concatenate([images] * (copies + 1)), *padded

    def on_epoch_begin(self) -> None:
        self._batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()


def _add_up_first(optimizer: keras.optimizers.Optimizer) -> None:
    """Adds up the gradients of the devices before they are clipped or kept.

    Keras clips those of each device by itself, and accumulates inside a
    condition, where devices cannot wait for each other.
    """
    steps = optimizer.gradient_accumulation_steps
    bounds = optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue
    if not steps and not any(bounds):
        return  # One sum on each device takes less than one for all.
    apply = optimizer.apply

    def apply_sums(gradients: Any, trainable_variables: Any = None) -> None:
        def across(strategy: Any, gradients: Any) -> None:
            sums = [
                x if x is None else strategy.reduce("SUM", x, None)
                for x in gradients
            ]
            # Keras would go over to all devices, where it is already.
            with mock.patch.object(
                strategy.extended, "_use_merge_call", lambda: False
            ):
                apply(sums, trainable_variables)

        context = tf.distribute.get_replica_context()
        context.merge_call(across, args=(gradients,))

    optimizer.apply = apply_sums


def _void(x: NDArray) -> NDArray:
    """Masks without labels, or weights of 0."""
    return np.full_like(x, VOID if x.dtype.kind == "i" else 0)


def _gather(x: Any) -> Any:
    context = tf.distribute.get_replica_context()
    if context is None:
        return x
    if x.dtype.size < 4:  # It gathers no images of 8 bits.
        return tf.cast(_gather(tf.cast(x, tf.float32)), x.dtype)
    whole = context.all_gather(tf.stop_gradient(x), axis=0)
    if not x.dtype.is_floating:
        return whole
    # Zero, with the gradient of the part of this device.
    part = (x - tf.stop_gradient(x)) * context.num_replicas_in_sync
    place = context.replica_id_in_sync_group * tf.shape(x)[0]
    after = tf.shape(whole)[0] - place - tf.shape(x)[0]
    sides = [[place, after]] + [[0, 0]] * (x.shape.rank - 1)
    return whole + tf.pad(part, sides)


def _moments(x: Any, axes: Any) -> tuple[Any, Any]:
    return keras.ops.moments(x, axes, synchronized=True)


def _place() -> Any:
    context = tf.distribute.get_replica_context()
    return 0 if context is None else context.replica_id_in_sync_group
