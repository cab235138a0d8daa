"""Keras layers around the functions of `keras_seg.ops`."""

from keras_seg.layers.atrous_pooling import AtrousAveragePool
from keras_seg.layers.atrous_pooling import AtrousMaxPool
from keras_seg.layers.cropping import CropToSmallest
from keras_seg.layers.cropping import PadToMultiple
from keras_seg.layers.preprocess import Preprocess
from keras_seg.layers.removed_stride import RemovedStridePadding
from keras_seg.layers.resize_like import BilinearUpsampling
from keras_seg.layers.resize_like import CropLike
from keras_seg.layers.resize_like import ResizeLike

__all__ = [
    "AtrousAveragePool",
    "AtrousMaxPool",
    "BilinearUpsampling",
    "CropLike",
    "CropToSmallest",
    "PadToMultiple",
    "Preprocess",
    "RemovedStridePadding",
    "ResizeLike",
]
