"""Functions on batches of maps, for every backend."""

# First, so that what Keras's import registers is not half imported.
import keras  # noqa: F401

from keras_seg.ops.padding import pad_spatial
from keras_seg.ops.padding import removed_stride_padding
from keras_seg.ops.pooling import max_pool
from keras_seg.ops.pooling import max_pool_with_indices
from keras_seg.ops.pooling import pooled_size
from keras_seg.ops.pooling import sum_pool
from keras_seg.ops.resize import resize
from keras_seg.ops.unpooling import indices_from_tensorflow
from keras_seg.ops.unpooling import indices_to_tensorflow
from keras_seg.ops.unpooling import max_unpool
from keras_seg.ops.upsampling import bed_of_nails
from keras_seg.ops.upsampling import depthwise_conv_transpose
from keras_seg.ops.upsampling import nearest_upsampling

__all__ = [
    "bed_of_nails",
    "max_pool",
    "max_pool_with_indices",
    "max_unpool",
    "nearest_upsampling",
    "pad_spatial",
    "pooled_size",
    "removed_stride_padding",
    "resize",
    "depthwise_conv_transpose",
    "sum_pool",
    "indices_from_tensorflow",
    "indices_to_tensorflow",
]
