"""A network that says the ids of an image, and no scores."""

import weakref

import keras

from keras_seg.ops import best_class
from keras_seg.surgery.wrapping import first_output

__all__ = ["ids_network"]

_NETWORKS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def ids_network(model):
    """Makes a network of another one that ends in the class of each pixel.

    It has the weights of the model, not copies of them. The scores stay where
    they are found: of 21 classes, 84 bytes for a pixel do not leave the GPU,
    or the graph, but one. It is made, and compiled, once for each model.

    Args:
        model: a functional or sequential `keras.Model`, images to scores
            `(batch, height, width, classes)`; of several outputs the first
            counts.

    Returns:
        `keras.Model`, images to uint8 ids `(batch, height, width)`, the first
        of classes with equal scores; int32 for more than 256 classes.
    """
    weights = model.weights
    network, known = _NETWORKS.get(model, (None, []))
    # `model.quantize` puts others in their place, of which what was compiled
    # does not know.
    if network is None or list(map(id, known)) != list(map(id, weights)):
        ids = _BestClass(name="ids")(first_output(model.outputs))
        network = keras.Model(model.inputs[0], ids, name=f"{model.name}_ids")
        network.run_eagerly = model.run_eagerly
        network.jit_compile = model.jit_compile
        _NETWORKS[model] = network, weights
    return network


class _BestClass(keras.layers.Layer):
    """Scores as they are: in the dtype of a policy others might be best."""

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, scores):
        best = best_class(scores)
        if scores.shape[-1] > 256:
            return best
        return keras.ops.cast(best, "uint8")
