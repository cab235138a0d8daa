"""Batch norms folded into convolutions, and the biases they cancel."""

import collections

import keras
import numpy as np
from keras import layers

from keras_seg.keras_private import run_through_graph
from keras_seg.layers import AtrousConv
from keras_seg.ops.backend import channel_axis
from keras_seg.surgery import graph
from keras_seg.surgery import verification

__all__ = ["drop_biases", "fold_batch_norm", "norms_behind"]


def fold_batch_norm(model, *, verify=True):
    """Rebuilds a network with its batch norms folded into its convolutions.

    For prediction, where a batch norm is `scale · x + offset` with constants
    for each channel:

        scale · (conv(x; kernel) + bias) + offset
            == conv(x; scale · kernel) + (scale · bias + offset)

    The result is the same to rounding, without the norm's way over the map.
    It is not for training: statistics are no longer taken. A norm that does
    not stand right behind a convolution, or inside a layer such as `ASPP`,
    or has a `call` of its own or stands behind a layer with one, stays.

    Args:
        model: functional `keras.Model`.
        verify: bool, whether the equation is checked on a small random
            image. Defaults to True.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names of `model` but for the norms that are gone.

    Raises:
        ValueError: if the model has no graph of layers; for a layer behind
            which the equation does not hold, by name.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.MobileNetV2(
    ...     include_top=False, weights=None)
    >>> folded = keras_seg.surgery.fold_batch_norm(model)
    >>> model.count_params(), folded.count_params()
    (2257984, 2206816)
    """
    model = graph.functional(model)
    norms = norms_behind(model)
    gone = set(norms.values())
    copier = graph.Copier()
    inner: dict = {}

    def call(operation, *args, **kwargs):
        if isinstance(operation, keras.Model):
            if operation not in inner:
                inner[operation] = fold_batch_norm(operation, verify=False)
            return inner[operation](*args, **kwargs)
        if operation in gone:
            return args[0]
        if operation in norms:
            adapt = _scaled(operation, norms[operation])
            copy = copier.copy(operation, adapt=adapt, use_bias=True)
        else:
            copy = copier.copy(operation)
        return copy(*args, **kwargs)

    reached: dict = {}
    rebuilt = graph.rebuild(model, lambda x: x, call, copier, reached=reached)
    if verify:
        # What goes into a norm is not what it was.
        for layer in norms:
            del reached[id(layer.output)]
        verification.verify("fold_batch_norm", model, rebuilt, reached)
    return rebuilt


def _scaled(layer, norm):
    def adapt(weights):
        scale, offset = _constants(norm)
        if layer.use_bias:
            offset = offset + scale * weights[-1]
            weights = weights[:-1]
        *others, kernel = weights
        return [*others, kernel * _along(layer, kernel, scale), offset]

    return adapt


def _constants(norm):
    """What the norm multiplies by and adds, in float64."""
    mean, variance, gamma, beta = (
        None
        if weight is None
        else keras.ops.convert_to_numpy(weight).astype("float64")
        for weight in (
            norm.moving_mean,
            norm.moving_variance,
            norm.gamma if norm.scale else None,
            norm.beta if norm.center else None,
        )
    )
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if gamma is not None:
        scale = scale * gamma
    return scale, (0 if beta is None else beta) - mean * scale


def _along(layer, kernel, scale):
    """The scales in the axes of a kernel that its output's channels lie in."""
    if isinstance(layer, layers.Conv2DTranspose):
        return scale[:, None]
    if isinstance(layer, layers.DepthwiseConv2D):
        return scale.reshape(kernel.shape[-2:])
    return scale


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


LINEAR = (
    AtrousConv,
    layers.Conv2D,
    layers.Conv2DTranspose,
    layers.Dense,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
)


def norms_behind(model):
    """The batch norms that alone take what a convolution gives.

    Convolutions with an activation, those whose output goes anywhere else,
    layers that are used twice and those with a `call` of their own are left
    out, and norms that are called with `training=True`.

    Args:
        model: functional `keras.Model`.

    Returns:
        Dictionary from a layer, a convolution or dense, to the norm of its
        channels.
    """
    users = collections.defaultdict(list)
    calls: collections.Counter = collections.Counter()

    def call(operation, *args, **kwargs):
        # In training mode it has the statistics of what comes in.
        calls[operation] += 2 if kwargs.get("training") else 1
        for maker in keras.tree.flatten((args, kwargs)):
            if isinstance(maker, keras.Operation):
                users[maker].append(operation)
        return keras.tree.map_structure(lambda _: operation, operation.output)

    ends = run_through_graph(model, [None for _ in model.inputs], call)
    for maker in keras.tree.flatten(ends):
        users[maker].append(None)
    return {
        layer: norm
        for layer, (norm, *others) in users.items()
        if not others
        and calls[layer] == calls[norm] == 1
        and _are_a_pair(layer, norm)
    }


def _are_a_pair(layer, norm):
    return (
        isinstance(layer, LINEAR)
        and not graph.has_own_call(layer)
        and not graph.has_own_call(norm)
        and layer.activation is keras.activations.linear
        and isinstance(norm, layers.BatchNormalization)
        and norm.axis % len(layer.output.shape) == _channel_axis(layer)
    )


def _channel_axis(layer):
    if isinstance(layer, layers.Dense):
        return len(layer.output.shape) - 1
    return channel_axis(layer.data_format)
