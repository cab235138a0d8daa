"""Batch norms: folded into convolutions, or without biases before them."""

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


def fold_batch_norm(model: keras.Model, *, verify: bool = True) -> keras.Model:
    """Rebuilds a network with its batch norms folded into its convolutions.

    In prediction a batch norm is `scale · x + offset`, with constants for
    each channel, so:

        scale · (conv(x; kernel) + bias) + offset
            == conv(x; scale · kernel) + (scale · bias + offset)

    The result is equal up to rounding and faster, as norms no longer pass over
    the maps. It is not for training: there are no statistics to update. A
    norm is kept if it does not directly follow a convolution, if it is inside
    a layer such as `ASPP`, or if it or the layer before it has a `call` of
    its own.

    Args:
        model: functional `keras.Model`.
        verify: bool, whether to check the equation on a small random image.
            Defaults to True.

    Returns:
        A functional `keras.Model` for images of any size, with the layers of
        `model` except for the folded norms.

    Raises:
        ValueError: If the model has no graph of layers, or if the equation
            does not hold after a layer. The message names it.

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
    changes: dict = {
        layer: (_scaled(layer, norm), {"use_bias": True})
        for layer, norm in norms.items()
    }
    rebuilt, reached = _rebuild(fold_batch_norm, model, norms, changes)
    if verify:
        verification.verify("fold_batch_norm", model, rebuilt, reached)
    return rebuilt


def _rebuild(surgery, model, norms, changes):
    """Copies a network, with other weights in some of its layers.

    Args:
        surgery: the public function, for models inside the model.
        model: functional `keras.Model`.
        norms: dict from the layers in front of batch norms to these. Norms
            that are not in `changes` are left out.
        changes: dict from a layer to the `adapt` and the config of its copy.

    Returns:
        The network, and what stands for the old tensors: see `graph.rebuild`.
    """
    gone = set(norms.values()) - changes.keys()
    copier = graph.Copier()
    inner: dict = {}

    def call(operation, *args, **kwargs):
        if isinstance(operation, keras.Model):
            if operation not in inner:
                inner[operation] = surgery(operation, verify=False)
            return inner[operation](*args, **kwargs)
        if operation in gone:
            return args[0]
        adapt, config = changes.get(operation, (None, {}))
        copy = copier.copy(operation, adapt=adapt, **config)
        return copy(*args, **kwargs)

    reached: dict = {}
    rebuilt = graph.rebuild(model, lambda x: x, call, copier, reached=reached)
    # The inputs of the norms are not what they were.
    for layer in norms:
        del reached[id(layer.output)]
    return rebuilt, reached


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
    """The scale and offset of a norm, in float64."""
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
    """The scales, shaped to multiply the output channels of a kernel."""
    if isinstance(layer, layers.Conv2DTranspose):
        return scale[:, None]
    if isinstance(layer, layers.DepthwiseConv2D):
        return scale.reshape(kernel.shape[-2:])
    return scale


def drop_biases(model: keras.Model, *, verify: bool = True) -> keras.Model:
    """Rebuilds a network without the biases in front of its batch norms.

    Batch norm subtracts the mean of its input, and with it any constant that
    a convolution has added to a channel. So a bias can be moved into the mean:

        norm(conv(x) + bias; mean) == norm(conv(x); mean - bias)

    up to rounding. In training, the batch's own mean cancels the bias, which
    learns nothing. The ResNets of `keras.applications` have a bias in every
    convolution, those of the papers in none: this function turns the former,
    pretrained weights included, into the latter.

    Other biases are kept: those of layers with an activation, or whose output
    is used by anything but one batch norm of its channels.

    Args:
        model: functional `keras.Model`.
        verify: bool, whether to check the equation on a small random image.
            Defaults to True.

    Returns:
        A functional `keras.Model` for images of any size, with the layers of
        `model` and, except for these biases and means, its weights.

    Raises:
        ValueError: If the model has no graph of layers, or if the equation
            does not hold after a layer. The message names it.

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
    changes: dict = {}
    for layer, norm in biased.items():
        changes[layer] = _all_but_last, {"use_bias": False}
        changes[norm] = _move_mean(layer), {}
    rebuilt, reached = _rebuild(drop_biases, model, biased, changes)
    if verify:
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
    """Finds convolutions whose output is used by one batch norm alone.

    Left out are convolutions with an activation, layers that are used twice or
    have a `call` of their own, and norms that are called with `training=True`.

    Args:
        model: functional `keras.Model`.

    Returns:
        Dict from a layer, a convolution or dense, to its norm.
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
