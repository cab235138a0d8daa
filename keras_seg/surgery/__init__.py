"""Exact operations on Keras models: a model in, a model out."""

from keras_seg.surgery.output_stride import set_output_stride

__all__ = ["set_output_stride"]
