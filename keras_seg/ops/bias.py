"""A number for each channel, added to a map."""

from keras import ops

from keras_seg.ops.backend import channel_axis

__all__ = ["add_bias"]


def add_bias(x, bias, data_format):
    """Adds a number to each channel.

    Args:
        x: tensor of maps, rank 4.
        bias: tensor `(channels,)`, or None for nothing.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A tensor of the shape of `x`.

    Example:

    >>> import numpy as np
    >>> y = add_bias(np.zeros((1, 1, 1, 2)), np.array([1.0, 2.0]),
    ...     "channels_last")
    >>> [float(v) for v in np.ravel(y)]
    [1.0, 2.0]
    """
    if bias is None:
        return x
    shape = [1, 1, 1, 1]
    shape[channel_axis(data_format)] = -1
    if data_format == "channels_first":
        # Where a map is as wide as it has channels, Keras 3.15 on TensorFlow
        # adds along the width: it turns the sum into `tf.nn.bias_add`. A
        # difference it leaves alone.
        return ops.subtract(x, ops.reshape(-bias, shape))
    return ops.add(x, ops.reshape(bias, shape))
