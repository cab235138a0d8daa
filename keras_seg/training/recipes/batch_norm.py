"""Batch norm for a training of some length, and for none."""

import keras

from keras_seg.applications.batch_norm import freeze_batch_norm
from keras_seg.layers import ASPP
from keras_seg.layers.nested import nested_layers

__all__ = ["freeze_all_batch_norm", "momentum_for", "set_batch_norm_momentum"]


def momentum_for(steps):
    """The momentum of moving averages that a training of some steps fills.

    DeepLab v3 has 0.9997 for 30,000 steps: nine time constants of
    1 / (1 - momentum) = 3,333 steps. This is as many for any number of steps,
    `1 - 9 / steps`, in 0.9 … 0.9997.

    Args:
        steps: int, updates in the whole run.

    Returns:
        A float.

    Example:

    >>> momentum_for(30_000), round(momentum_for(1000), 4), momentum_for(20)
    (0.9997, 0.991, 0.9)
    """
    return min(max(0.9, 1 - 9 / steps), 0.9997)


def set_batch_norm_momentum(model, momentum):
    """Sets the momentum of the moving averages of every batch norm.

    Args:
        model: `keras.Model`, changed in place.
        momentum: float, in the convention of Keras and TensorFlow: the share
            of the old average. (PyTorch's is 1 minus this.)

    Returns:
        The model.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.layers.BatchNormalization()])
    >>> set_batch_norm_momentum(model, 0.9997).layers[0].momentum
    0.9997
    """
    for layer in nested_layers(model):
        # A pyramid saves the momentum of the norms that it makes.
        if isinstance(layer, keras.layers.BatchNormalization | ASPP):
            layer.momentum = momentum
    return model


def freeze_all_batch_norm(model):
    """Freezes batch norm, that of pyramids too, so that it stays when saved.

    `keras_seg.training.freeze_batch_norm` does not reach into
    `keras_seg.layers.ASPP`, whose norms begin anew with a pretrained
    backbone.

    Args:
        model: `keras.Model`, changed in place.

    Returns:
        The model.

    Example:

    >>> import keras, keras_seg
    >>> convs = [keras.layers.Conv2D(8, 3, 2, "same") for _ in range(4)]
    >>> backbone = keras.Sequential([keras.Input((None, None, 3)), *convs])
    >>> model = keras_seg.applications.DeepLabV3(backbone, classes=5)
    >>> model = freeze_all_batch_norm(model)
    >>> {v.name for v in model.trainable_variables} & {"gamma", "beta"}
    set()
    """
    freeze_batch_norm(model)
    for layer in nested_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
        elif getattr(layer, "normalization", None) == "batch":
            layer.normalization = "frozen"
    return model
