"""Former place of what is in `keras_seg.layers.base`."""

from keras_seg.layers.base import nested_layers

__all__ = ["nested_layers"]
