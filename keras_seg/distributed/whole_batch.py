"""Losses and statistics of a whole batch, where devices have parts of it.

The mean of the losses of the parts is not the loss of the whole: void pixels
are not spread evenly, and Dice is no mean. So each device gathers the scores
and the masks of all, and computes the loss of the whole batch. Of the scores
its own alone have a gradient, times the number of devices: the mean of the
gradients of all devices, which the engine takes, is that of the whole batch.
"""

from collections.abc import Callable
from typing import Any

import keras

from keras_seg.keras_private import set_moments
from keras_seg.layers.base import nested_layers

__all__ = ["compute_loss_of_whole", "synchronize_batch_norm"]

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
