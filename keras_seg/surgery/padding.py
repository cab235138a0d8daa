"""Padding: by the parity of a map's size, or none at all."""

import keras
import numpy as np
from keras import layers

from keras_seg.keras_private import producer
from keras_seg.layers import ASPP
from keras_seg.layers import CropLike
from keras_seg.layers import PadToMultiple
from keras_seg.layers import ResizeLike
from keras_seg.layers.removed_stride import RemovedStride
from keras_seg.surgery import graph
from keras_seg.surgery import operations
from keras_seg.surgery import pointwise_rules
from keras_seg.surgery.locality import POOLED
from keras_seg.surgery.locality import WHOLE

__all__ = ["check_unpadded", "pad_by_parity"]


def pad_by_parity(model):
    """Replaces padding for even maps by padding that follows the map's size.

    The MobileNets and EfficientNets of `keras.applications` pad a map with a
    `ZeroPadding2D` before a stride of 2: evenly if its size is odd, and by one
    more at the end if it is even or unknown. If the size is unknown and turns
    out to be odd, the next map has one position too few for aligned corners,
    and each is half a stride off. Padding `"same"` does at every size what
    these networks do at known ones (except for the first MobileNet, which
    takes every size for even).

    Args:
        model: functional `keras.Model`.

    Returns:
        A functional `keras.Model` for images of any size, with the weights
        of `model`. Where maps are even, it computes the same.

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
    # From each padding that is removed to the convolution that replaces it.
    fitted = {
        made_by: operations[0]
        for made_by, operations in consumers.items()
        if len(operations) == 1
        and isinstance(operations[0], graph.CONVOLUTIONS)
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
    """Whether the layer before it pads as even maps need for its stride."""
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


WINDOWS = (
    *graph.CONVOLUTIONS,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    RemovedStride,
)
WHOLE_MAP_LAYERS = (
    ASPP,
    CropLike,
    PadToMultiple,
    ResizeLike,
    layers.Permute,
)


def check_unpadded(classifier, head=(), data_format=None):
    """Checks that a classifier can slide over an image.

    What it computes from a window must not depend on where the window ends, so
    no layer may pad or use statistics of the whole map. Layers that
    `keras_seg.surgery.set_output_stride` refuses are not checked here.

    Args:
        classifier: functional `keras.Model`.
        head: set of ids of operations that may use the whole map: see
            `keras_seg.surgery.fully_convolutional`.
        data_format: `"channels_last"`, `"channels_first"`, or None for that
            of the first layer that has one.

    Raises:
        ValueError: If there is such a layer, or one of another data format.
            The message names it.

    Example:

    >>> import keras
    >>> image = keras.Input((16, 16, 3))
    >>> scores = keras.layers.Conv2D(2, 3, padding="same", name="c")(image)
    >>> check_unpadded(keras.Model(image, scores))
    Traceback (most recent call last):
    ...
    ValueError: The layer 'c' (Conv2D) can't slide over an image: it pads, \
and what it sees at the border of a window is not in the image. Build the \
classifier with padding='valid'.
    """
    data_format = data_format or graph.data_format_of(classifier)
    for operation in graph.functional(classifier).operations:
        if isinstance(operation, keras.Model):
            check_unpadded(operation, data_format=data_format)
        elif reason := _reason(operation, data_format, id(operation) in head):
            raise ValueError(
                f"The layer '{operation.name}' ({type(operation).__name__}) "
                f"can't slide over an image: {reason}."
            )


def _reason(operation, data_format, in_head):
    reach = pointwise_rules.reach(operation, data_format)
    if graph.has_own_call(operation) and reach is None:
        return "it has a `call` of its own, and may pad"
    if reach is None and _pads(operation):
        return (
            "it pads, and what it sees at the border of a window is not in "
            "the image. Build the classifier with padding='valid'"
        )
    if not in_head and _is_whole(operation, reach):
        return (
            "it takes in the whole map, and that of an image is larger than "
            "that of a window"
        )
    own = getattr(operation, "data_format", data_format)
    if own != data_format and _on_maps(operation):
        return f"its data format is {own!r}, that of others {data_format!r}"
    return None


def _on_maps(operation):
    return len(keras.tree.flatten(operation.input)[0].shape) == 4


def _is_whole(operation, reach):
    if isinstance(operation, WHOLE_MAP_LAYERS):
        return True
    along = isinstance(operation, pointwise_rules.ALONG_AN_AXIS)
    if along and _on_maps(operation):
        return reach is None
    return reach in (POOLED, WHOLE)


def _pads(layer):
    if isinstance(layer, layers.ZeroPadding2D):
        return np.any(layer.padding)
    if isinstance(layer, operations.Pad):
        return np.any(layer.pad_width)
    if isinstance(layer, operations.WINDOW_OPERATIONS):
        return layer.padding == "same"
    if not isinstance(layer, WINDOWS):
        return False
    if isinstance(layer, RemovedStride) and layer.removed_stride > 1:
        return True
    pooling = hasattr(layer, "pool_size")
    size = layer.pool_size if pooling else layer.kernel_size
    return layer.padding == "same" and tuple(size) != (1, 1)
