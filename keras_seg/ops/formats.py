"""Former place of what is in `keras_seg.ops.backend`."""

from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import standardize_data_format

__all__ = ["channel_axis", "spatial_axes", "standardize_data_format"]
