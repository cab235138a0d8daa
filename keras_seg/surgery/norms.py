"""Which convolution a batch norm stands behind."""

import collections

import keras
from keras import layers

from keras_seg.keras_private import run_through_graph
from keras_seg.layers import AtrousConv
from keras_seg.ops.backend import channel_axis
from keras_seg.surgery import graph

__all__ = ["norms_behind"]

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
        and norm.axis % len(layer.output.shape) == _channels(layer)
    )


def _channels(layer):
    if isinstance(layer, layers.Dense):
        return len(layer.output.shape) - 1
    return channel_axis(layer.data_format)
