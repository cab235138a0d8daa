"""Whether a network computes the same of a window wherever it lies."""

import keras
from keras import layers

from keras_seg.layers import ASPP
from keras_seg.layers import CropLike
from keras_seg.layers import PadToMultiple
from keras_seg.layers import ResizeLike
from keras_seg.layers.removed_stride import RemovedStride
from keras_seg.surgery import pointwise
from keras_seg.surgery.graph import Pad
from keras_seg.surgery.graph import data_format_of
from keras_seg.surgery.graph import functional
from keras_seg.surgery.graph import has_own_call

__all__ = ["check_unpadded"]

WINDOWS = (
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    RemovedStride,
)
WHOLE = (
    ASPP,
    CropLike,
    PadToMultiple,
    ResizeLike,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.GroupNormalization,
    layers.Permute,
)


def check_unpadded(classifier, head=(), data_format=None):
    """Checks that nothing in a classifier depends on where its input ends.

    Then what it computes of a window is what it computes there of a whole
    image. It is not so where a layer pads, or takes in the whole map. What
    `keras_seg.surgery.set_output_stride` refuses is not looked for.

    Args:
        classifier: functional `keras.Model`.
        head: set of ids of operations, which may take in the whole map: see
            `keras_seg.surgery.fully_convolutional`.
        data_format: `"channels_last"`, `"channels_first"`, or None for that
            of the first layer that has one.

    Raises:
        ValueError: for such a layer, by name; for layers of two data
            formats.

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
    data_format = data_format or data_format_of(classifier)
    for operation in functional(classifier).operations:
        if isinstance(operation, keras.Model):
            check_unpadded(operation, data_format=data_format)
        elif reason := _reason(operation, data_format, id(operation) in head):
            raise ValueError(
                f"The layer '{operation.name}' ({type(operation).__name__}) "
                f"can't slide over an image: {reason}."
            )


def _reason(operation, data_format, in_head):
    if has_own_call(operation):
        return "it has a `call` of its own, and may pad"
    if _pads(operation):
        return (
            "it pads, and what it sees at the border of a window is not in "
            "the image. Build the classifier with padding='valid'"
        )
    if not in_head and _is_whole(operation, data_format):
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


def _is_whole(operation, data_format):
    along = isinstance(operation, pointwise.ALONG_AN_AXIS)
    if along and _on_maps(operation):
        return not pointwise.is_pointwise(operation, data_format)
    return isinstance(operation, WHOLE)


def _pads(layer):
    if isinstance(layer, layers.ZeroPadding2D):
        return any(amount for pair in layer.padding for amount in pair)
    if isinstance(layer, Pad):
        return any(amount for pair in layer.pad_width for amount in pair)
    if not isinstance(layer, WINDOWS):
        return False
    if isinstance(layer, RemovedStride) and layer.removed_stride > 1:
        return True
    pooling = hasattr(layer, "pool_size")
    size = layer.pool_size if pooling else layer.kernel_size
    return layer.padding == "same" and tuple(size) != (1, 1)
