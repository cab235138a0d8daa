"""Switches to and from TensorFlow's convention."""

from keras import ops

from keras_seg.ops.dtypes import check_integers

__all__ = [
    "switches_from_tensorflow",
    "switches_to_tensorflow",
]


def switches_from_tensorflow(indices, include_batch_in_index=False, size=None):
    """Switches from the indices of `tf.nn.max_pool_with_argmax`.

    TensorFlow counts the channels too: `(y · W + x) · C + c`, and with
    `include_batch_in_index` the images, `((b · H + y) · W + x) · C + c`.
    What `torch.nn.functional.max_pool2d` returns are switches already, of
    channels-first maps.

    Args:
        indices: integer tensor `(batch, height, width, channels)`.
        include_batch_in_index: bool, as it was given to TensorFlow.
        size: `(height, width)` of the maps that were pooled; needed with
            `include_batch_in_index`.

    Returns:
        Switches `y · W + x`, int32, of the same shape.

    Raises:
        ValueError: if `size` is missing, or they are no integers.

    Example:

    >>> import numpy as np
    >>> indices = np.array([2, 11]).reshape(1, 1, 1, 2)
    >>> [int(v) for v in np.ravel(switches_from_tensorflow(indices))]
    [1, 5]
    """
    indices = ops.convert_to_tensor(indices)
    check_integers("indices", indices)
    channels = ops.shape(indices)[3]
    if include_batch_in_index:
        indices = indices % _image_size(size, channels)
    return ops.cast(indices // channels, "int32")


def switches_to_tensorflow(switches, include_batch_in_index=False, size=None):
    """The indices of `tf.nn.max_pool_with_argmax`, from switches.

    The inverse of `keras_seg.ops.switches_from_tensorflow`.

    Args:
        switches: integer tensor `(batch, height, width, channels)`.
        include_batch_in_index: bool, whether the images are counted too.
        size: `(height, width)` of the maps that were pooled; needed with
            `include_batch_in_index`.

    Returns:
        Indices, int32, of the same shape.

    Raises:
        ValueError: if `size` is missing, or they are no integers.

    Example:

    >>> import numpy as np
    >>> switches = np.array([1, 5], "int32").reshape(1, 1, 1, 2)
    >>> [int(v) for v in np.ravel(switches_to_tensorflow(switches))]
    [2, 11]
    """
    switches = ops.convert_to_tensor(switches)
    check_integers("switches", switches)
    switches = ops.cast(switches, "int32")
    batch, _, _, channels = ops.shape(switches)
    indices = switches * channels + ops.arange(channels, dtype="int32")
    if include_batch_in_index:
        images = ops.arange(batch, dtype="int32")
        images = images * _image_size(size, channels)
        indices = indices + ops.reshape(images, (-1, 1, 1, 1))
    return indices


def _image_size(size, channels):
    if size is None:
        raise ValueError(
            "Indices that include the batch need the size of the maps that "
            "were pooled. Received: include_batch_in_index=True, size=None"
        )
    return size[0] * size[1] * channels
