"""Where the axes of a batch of maps are."""

import keras
from keras import ops

__all__ = ["channel_axis", "select", "spatial_axes", "standardize_data_format"]

FORMATS = ("channels_last", "channels_first")


def standardize_data_format(data_format):
    """Returns `data_format`, or the Keras setting where it is None.

    Raises:
        ValueError: if it is neither of the two formats.
    """
    if data_format is None:
        return keras.config.image_data_format()
    if data_format not in FORMATS:
        raise ValueError(
            f"`data_format` must be one of {FORMATS} or None. "
            f"Received: data_format={data_format!r}"
        )
    return data_format


def channel_axis(data_format):
    """Returns the axis of the channels of a batch of maps, 1 or 3."""
    return 1 if data_format == "channels_first" else 3


def spatial_axes(data_format):
    """Returns the axes of the rows and of the columns of a batch of maps."""
    return (2, 3) if data_format == "channels_first" else (1, 2)


def select(x, indices, axis):
    """Returns the entries `indices` along one axis, as `keras.ops.take`.

    Keras 3.15 squeezes what it took on PyTorch, which does nothing there,
    and makes a Squeeze of ONNX that no runtime accepts.
    """
    if keras.config.backend() == "torch":
        indices = ops.convert_to_tensor(indices, "int64")
        return x.index_select(axis, indices)
    return ops.take(x, indices, axis)
