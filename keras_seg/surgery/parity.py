"""Padding that fits maps of odd sizes as it does even ones."""

import keras
from keras import layers

from keras_seg.keras_private import producer
from keras_seg.surgery import graph

__all__ = ["pad_by_parity"]

CONVOLUTIONS = (
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
)


def pad_by_parity(model):
    """Lets strided convolutions pad by what the size of their map is.

    The MobileNets and EfficientNets of `keras.applications` pad a map in
    front of a stride of 2 by a layer: evenly if its size is odd, and by one
    more behind than in front if it is even, or if it is not known. For a
    network of any size that is wrong at odd ones: its map has a position
    less than aligned corners need, and each lies half a stride off. The
    padding `"same"` is what they do at sizes that are known (but for the
    first MobileNet, which takes all for even).

    Args:
        model: functional `keras.Model`.

    Returns:
        A functional `keras.Model` for images of any size, with the weights
        of `model`, which computes the same where maps are even.

    Example:

    >>> import keras
    >>> model = keras.applications.MobileNetV2(
    ...     include_top=False, weights=None)
    >>> model.compute_output_shape((1, 129, 129, 3))
    (1, 4, 4, 1280)
    >>> pad_by_parity(model).compute_output_shape((1, 129, 129, 3))
    (1, 5, 5, 1280)
    """
    model = graph.functional(model)
    consumers: dict[int, list] = {}
    for operation in model.operations:
        for tensor in keras.tree.flatten(operation.input):
            made_by = producer(tensor)
            consumers.setdefault(id(made_by), []).append(operation)
    # From each padding that goes to the convolution that takes it over.
    fitted = {
        made_by: operations[0]
        for made_by, operations in consumers.items()
        if len(operations) == 1
        and isinstance(operations[0], CONVOLUTIONS)
        and _is_for_even_maps(operations[0])
    }
    if not fitted:
        return model
    convolutions = {id(operation) for operation in fitted.values()}
    copier = graph.Copier()

    def call(operation, *args, **kwargs):
        if id(operation) in fitted:
            return args[0]
        changes = {"padding": "same"} if id(operation) in convolutions else {}
        return copier.copy(operation, **changes)(*args, **kwargs)

    return graph.rebuild(model, lambda x: x, call, copier)


def _is_for_even_maps(convolution):
    """Whether it is padded for its stride as even maps have to be."""
    padding = producer(convolution.input)
    if not isinstance(padding, layers.ZeroPadding2D):
        return False
    if any(map(graph.has_own_call, (convolution, padding))):
        return False
    (size, *others) = {*convolution.kernel_size}
    before = (size - 2) // 2
    pair = (before, size - 2 - before)
    return (
        not others
        and size > 2
        and tuple(convolution.strides) == (2, 2)
        and convolution.padding == "valid"
        and tuple(map(tuple, padding.padding)) == (pair, pair)
    )
