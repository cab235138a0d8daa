"""Losses, statistics and masks of a whole batch, where devices have its parts.

The mean of the losses of the parts is not the loss of the whole: void pixels
are not spread evenly, and Dice is no mean. So each device gathers the scores
and the masks of all, and computes the loss of the whole batch. Of the scores
its own alone have a gradient, times the number of devices: the mean of the
gradients of all devices, which the engine takes, is that of the whole batch.
"""

from collections.abc import Callable
from typing import Any

import keras

from keras_seg.keras_private import draw_by_seed
from keras_seg.keras_private import set_moments
from keras_seg.layers.base import nested_layers

__all__ = [
    "compute_loss_of_whole",
    "draw_apart",
    "synchronize_batch_norm",
]

# 2**32 over the golden ratio: multiples of it lie far apart, modulo 2**32.
FAR = 0x61C88647

Gather = Callable[[Any], Any]


def compute_loss_of_whole(
    model: keras.Model, gather: Gather, metrics: bool = False
) -> None:
    """Lets a compiled model compute the loss of the whole batch.

    Args:
        model: compiled `keras.Model`, changed in place. The file it is saved
            to is as before.
        gather: callable from a tensor to that of all devices, joined along
            the batch.
        metrics: bool, whether the metrics are those of the whole batch, too.
            Defaults to False: the engine adds up their states.
    """
    own_loss, own_metrics = model.compute_loss, model.compute_metrics
    # A loss that was replaced, as by a teacher, may look at the images.
    takes_images = "compute_loss" in vars(model)
    whole: tuple = ()
    last: Any = None

    def compute_loss(
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        nonlocal whole, last
        last = y_pred
        if takes_images:
            x = keras.tree.map_structure(gather, x)
        whole = keras.tree.map_structure(
            gather, (y, y_pred, sample_weight), none_is_leaf=False
        )
        return own_loss(x, *whole, training)

    def compute_metrics(
        x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        if y_pred is not last:  # Keras builds its metrics.
            return own_metrics(x, y, y_pred, sample_weight)
        return own_metrics(x, *whole)

    model.compute_loss = compute_loss
    if metrics:
        model.compute_metrics = compute_metrics


def synchronize_batch_norm(
    model: keras.Model, moments: Callable[[Any, Any], tuple[Any, Any]]
) -> None:
    """Lets batch norm take its statistics of the whole batch.

    Args:
        model: `keras.Model`, changed in place. The file it is saved to is as
            before.
        moments: callable `(inputs, axes)` to the mean and the variance of all
            devices.
    """
    for layer in nested_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            set_moments(layer, moments)


def draw_apart(model: keras.Model, place: Callable[[], Any]) -> None:
    """Lets layers such as dropout draw other numbers on every device.

    The states of the generators stay those of one device, so that training
    goes on exactly on any number of devices.

    Args:
        model: `keras.Model`, changed in place. The file it is saved to is as
            before.
        place: callable to the number of the device, from 0. What 0 draws is
            not changed.
    """
    for layer in nested_layers(model):
        generator = getattr(layer, "seed_generator", None)
        if isinstance(generator, keras.random.SeedGenerator):
            draw_by_seed(generator)
            _move(generator, place)


def _move(
    generator: keras.random.SeedGenerator, place: Callable[[], Any]
) -> None:
    own = generator.next

    def moved(ordered: bool = True) -> Any:
        seed = own(ordered)
        far = keras.ops.convert_to_tensor([FAR, 0], seed.dtype)
        return seed + far * keras.ops.cast(place(), seed.dtype)

    generator.next = moved
