"""Which layers of a network came from its backbone."""

import weakref

__all__ = ["backbone_layers", "mark_backbone"]

_FROM_BACKBONE: weakref.WeakSet = weakref.WeakSet()


def mark_backbone(network):
    """Notes that the weights of an encoder came from a backbone.

    Args:
        network: `keras.Model`.
    """
    _FROM_BACKBONE.update(layer for layer in network.layers if layer.weights)


def backbone_layers(model):
    """Finds the layers with weights that a builder took from a classifier.

    Args:
        model: `keras.Model` of `keras_seg.applications`, as the builder gave
            it: one that was copied or read from a file does not know.

    Returns:
        List of layers, in the model's order; empty if there are none.

    Example:

    >>> import keras, keras_seg
    >>> model = keras_seg.applications.FCN32s("mobilenet_v2", weights=None)
    >>> layers = backbone_layers(model)
    >>> layers[0].name, layers[-1].name
    ('Conv1', 'Conv_1_bn')
    """
    return [layer for layer in model.layers if layer in _FROM_BACKBONE]
