"""The layers inside of layers."""

import keras

__all__ = ["nested_layers"]


def nested_layers(layer):
    """Returns a layer and all that are inside of it, each once.

    Those of nested models, of wrappers, and of layers that are made of
    layers, such as `keras_seg.layers.ASPP`.

    Args:
        layer: `keras.Layer` or `keras.Model`.

    Returns:
        List of layers, an outer one before what it holds.

    Example:

    >>> import keras
    >>> from keras_seg.layers.nested import nested_layers
    >>> model = keras.Sequential([keras.layers.Dense(2, name="one")])
    >>> [inner.name for inner in nested_layers(model)][1:]
    ['one']
    """
    found: dict[int, keras.Layer] = {}
    waiting = [layer]
    while waiting:
        layer = waiting.pop()
        if id(layer) in found:
            continue
        found[id(layer)] = layer
        inner = list(_layers_in(list(vars(layer).values())))
        waiting.extend(reversed(inner))
    return list(found.values())


def _layers_in(value):
    """The layers in lists, tuples and dictionaries, in order."""
    if isinstance(value, keras.Layer):
        yield value
    elif isinstance(value, dict):
        yield from _layers_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _layers_in(item)
