"""Keras layers around the functions of `keras_seg.ops`."""

# First, so that what Keras's import registers is not half imported.
import keras  # noqa: F401

from keras_seg.fast.layers import BatchNorm
from keras_seg.fast.layers import Conv
from keras_seg.fast.layers import ConvTranspose
from keras_seg.fast.layers import DepthwiseConv
from keras_seg.fast.layers import MaxPool
from keras_seg.fast.layers import SeparableConv
from keras_seg.layers.aligned_scale import AlignedScale
from keras_seg.layers.aspp import ASPP
from keras_seg.layers.atrous_conv import AtrousConv
from keras_seg.layers.atrous_pooling import AtrousAveragePool
from keras_seg.layers.atrous_pooling import AtrousMaxPool
from keras_seg.layers.conv_transpose import BilinearConvTranspose
from keras_seg.layers.conv_transpose import BilinearInitializer
from keras_seg.layers.crf import CRFAsRNN
from keras_seg.layers.crf import DenseCRF
from keras_seg.layers.cropping import CropToSmallest
from keras_seg.layers.cropping import PadToMultiple
from keras_seg.layers.local_response import LocalResponseNormalization
from keras_seg.layers.mirror import MirrorPad
from keras_seg.layers.nails import BedOfNails
from keras_seg.layers.nails import NearestUpsampling
from keras_seg.layers.preprocess import Preprocess
from keras_seg.layers.removed_stride import RemovedStridePadding
from keras_seg.layers.resize_like import BilinearUpsampling
from keras_seg.layers.resize_like import CropLike
from keras_seg.layers.resize_like import ResizeLike
from keras_seg.layers.unpooling import MaxPoolWithSwitches
from keras_seg.layers.unpooling import MaxUnpool

__all__ = [
    "CRFAsRNN",
    "DenseCRF",
    "ASPP",
    "AlignedScale",
    "AtrousAveragePool",
    "AtrousConv",
    "AtrousMaxPool",
    "BatchNorm",
    "BedOfNails",
    "BilinearConvTranspose",
    "BilinearInitializer",
    "BilinearUpsampling",
    "Conv",
    "ConvTranspose",
    "CropLike",
    "CropToSmallest",
    "DepthwiseConv",
    "LocalResponseNormalization",
    "MaxPool",
    "MaxPoolWithSwitches",
    "MaxUnpool",
    "MirrorPad",
    "NearestUpsampling",
    "PadToMultiple",
    "Preprocess",
    "RemovedStridePadding",
    "ResizeLike",
    "SeparableConv",
]
