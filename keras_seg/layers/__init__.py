"""Keras layers around the functions of `keras_seg.ops`."""

# First, so that what Keras's import registers is not half imported.
import keras  # noqa: F401

from keras_seg.fast.layers import BatchNorm
from keras_seg.fast.layers import Conv
from keras_seg.fast.layers import ConvTranspose
from keras_seg.fast.layers import DepthwiseConv
from keras_seg.fast.layers import MaxPool
from keras_seg.fast.layers import SeparableConv
from keras_seg.layers.aspp import ASPP
from keras_seg.layers.atrous_conv import AtrousConv
from keras_seg.layers.metadata import Metadata
from keras_seg.layers.normalization import LocalResponseNormalization
from keras_seg.layers.normalization import Preprocess
from keras_seg.layers.padding import CropToSmallest
from keras_seg.layers.padding import PadToMultiple
from keras_seg.layers.padding import ReflectionPadding
from keras_seg.layers.reduction import PatchMerging
from keras_seg.layers.reduction import ReducedAttention
from keras_seg.layers.removed_stride import AtrousAveragePool
from keras_seg.layers.removed_stride import AtrousMaxPool
from keras_seg.layers.removed_stride import RemovedStridePadding
from keras_seg.layers.resizing import AlignedScale
from keras_seg.layers.resizing import BilinearUpsampling
from keras_seg.layers.resizing import CropLike
from keras_seg.layers.resizing import ResizeLike
from keras_seg.layers.resizing import ShrinkToFit
from keras_seg.layers.rotary_attention import RotaryAttention
from keras_seg.layers.sampled_dropout import SampledDropout
from keras_seg.layers.tokens import PatchTokens
from keras_seg.layers.tokens import RotaryPositions
from keras_seg.layers.tokens import TokensToMap
from keras_seg.layers.unpooling import MaxPoolWithIndices
from keras_seg.layers.unpooling import MaxUnpool
from keras_seg.layers.upsampling import BedOfNails
from keras_seg.layers.upsampling import BilinearConvTranspose
from keras_seg.layers.upsampling import BilinearInitializer
from keras_seg.layers.upsampling import NearestUpsampling
from keras_seg.layers.window_attention import WindowAttention

__all__ = [
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
    "MaxPoolWithIndices",
    "MaxUnpool",
    "ReflectionPadding",
    "Metadata",
    "NearestUpsampling",
    "PadToMultiple",
    "PatchMerging",
    "PatchTokens",
    "Preprocess",
    "ReducedAttention",
    "RemovedStridePadding",
    "ResizeLike",
    "RotaryAttention",
    "RotaryPositions",
    "SampledDropout",
    "SeparableConv",
    "ShrinkToFit",
    "WindowAttention",
    "TokensToMap",
]
