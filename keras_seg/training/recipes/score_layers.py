"""The layers that give the scores of the classes."""

import keras

from keras_seg.layers import ASPP
from keras_seg.layers import CropLike
from keras_seg.layers import DenseCRF
from keras_seg.layers import ResizeLike
from keras_seg.layers.base import nested_layers
from keras_seg.surgery.graph import check_plain
from keras_seg.surgery.graph import walk

__all__ = ["score_layers"]

# Their second argument is a size or an image, and no scores.
LIKE_ANOTHER = (CropLike, DenseCRF, ResizeLike)


def score_layers(model):
    """Finds the last convolutions, whose channels are the classes.

    From each output back along the graph, the first layer with a kernel that
    is trained: several where scores are summed, as in FCN-8s or the pyramid
    of DeepLab v2; with those of an auxiliary head. On the papers' networks
    these are the layers that begin anew, `fc8` of DeepLab v1, which learn at
    ten times the rate of the others.

    Args:
        model: a functional `keras.Model`.

    Returns:
        List of layers.

    Raises:
        ValueError: for a layer with LoRA or a quantized one.

    Example:

    >>> import keras, keras_seg
    >>> from keras_seg.training.recipes import score_layers
    >>> convs = [keras.layers.Conv2D(8, 3, 2, "same") for _ in range(5)]
    >>> backbone = keras.Sequential([keras.Input((None, None, 3)), *convs])
    >>> model = keras_seg.applications.FCN8s(backbone, classes=5)
    >>> [layer.name for layer in score_layers(model)]
    ['score_fr', 'score_pool4', 'score_pool3']
    """
    for layer in nested_layers(model):
        check_plain(layer)
    last: list = [frozenset()] * len(model.inputs)
    found = frozenset().union(*keras.tree.flatten(walk(model, last, _pass_on)))
    return [layer for layer in nested_layers(model) if layer in found]


def _pass_on(operation, *args, **kwargs):
    """The layers with kernels that what an operation gives came from last."""
    last = _kernel_layers(operation)
    if not last:
        before = [
            value
            for value in keras.tree.flatten((args, kwargs))
            if isinstance(value, frozenset)
        ]
        if isinstance(operation, LIKE_ANOTHER):
            before = before[:1]
        last = frozenset().union(*before)
    return keras.tree.map_structure(lambda _: last, operation.output)


def _kernel_layers(operation):
    if not isinstance(operation, keras.Layer):
        return frozenset()
    if isinstance(operation, keras.Model):
        return frozenset(score_layers(operation))
    if isinstance(operation, ASPP) and operation.version != "v3":
        return frozenset(branch[-1] for branch in operation.form.branches)
    return frozenset(
        layer
        for layer in nested_layers(operation)
        if layer.trainable_weights
        and isinstance(getattr(layer, "kernel", None), keras.Variable)
    )
