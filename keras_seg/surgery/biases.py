"""Without the biases that batch norm takes away."""

import keras

from keras_seg.surgery import graph
from keras_seg.surgery import verification
from keras_seg.surgery.norms import norms_behind

__all__ = ["drop_biases"]


def drop_biases(model, *, verify=True):
    """Rebuilds a network without the biases in front of its batch norms.

    Batch norm subtracts the mean of what comes in, and with it whatever a
    convolution has added to all of a channel. So, where its mean is moved,

        norm(conv(x) + bias; mean) == norm(conv(x); mean - bias)

    to rounding, and in training mode without: such a bias is a number more
    to store that learns nothing. The ResNets of `keras.applications` have
    one in every convolution, those of the papers in none: with their
    pretrained weights they become the papers' networks, with the papers'
    numbers of weights.

    Biases that matter are kept: those of layers with an activation, or
    whose output goes anywhere but into one batch norm of its channels.

    Args:
        model: functional `keras.Model`.
        verify: bool, whether the equation is checked on a small random
            image. Defaults to True.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names of `model` and, but for these biases and means, its weights.

    Raises:
        ValueError: if the model has no graph of layers; for a layer behind
            which the equation does not hold, by name.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.ResNet50(include_top=False, weights=None)
    >>> model.count_params()
    23587712
    >>> keras_seg.surgery.drop_biases(model).count_params()
    23561152
    """
    model = graph.functional(model)
    biased = {
        layer: norm
        for layer, norm in norms_behind(model).items()
        if layer.use_bias
    }
    before = {norm: layer for layer, norm in biased.items()}
    copier = graph.Copier()
    inner: dict = {}

    def call(operation, *args, **kwargs):
        if isinstance(operation, keras.Model):
            if operation not in inner:
                inner[operation] = drop_biases(operation, verify=False)
            return inner[operation](*args, **kwargs)
        if operation in biased:
            copy = copier.copy(operation, adapt=_all_but_last, use_bias=False)
        elif operation in before:
            adapt = _move_mean(before[operation])
            copy = copier.copy(operation, adapt=adapt)
        else:
            copy = copier.copy(operation)
        return copy(*args, **kwargs)

    reached: dict = {}
    rebuilt = graph.rebuild(model, lambda x: x, call, copier, reached=reached)
    if verify:
        # What goes into a norm is not what it was.
        for layer in biased:
            del reached[id(layer.output)]
        verification.verify("drop_biases", model, rebuilt, reached)
    return rebuilt


def _all_but_last(weights):
    return weights[:-1]


def _move_mean(layer):
    def adapt(weights):
        *others, mean, variance = weights
        return [*others, mean - layer.get_weights()[-1], variance]

    return adapt
