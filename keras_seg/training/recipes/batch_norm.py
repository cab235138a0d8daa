"""Moving averages of batch norm for a training of some length."""

import keras

from keras_seg.layers import ASPP
from keras_seg.layers.base import nested_layers

__all__ = ["momentum_for", "set_batch_norm_momentum"]


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

    >>> from keras_seg.training.recipes import momentum_for
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
    >>> from keras_seg.training.recipes import set_batch_norm_momentum
    >>> model = keras.Sequential([keras.layers.BatchNormalization()])
    >>> set_batch_norm_momentum(model, 0.9997).layers[0].momentum
    0.9997
    """
    for layer in nested_layers(model):
        # A pyramid saves the momentum of the norms that it makes.
        if isinstance(layer, keras.layers.BatchNormalization | ASPP):
            layer.momentum = momentum
    return model
