"""Functions on batches of maps, for every backend."""

from keras_seg.ops.padding import pad_spatial
from keras_seg.ops.padding import removed_stride_padding
from keras_seg.ops.pooling import max_pool
from keras_seg.ops.pooling import sum_pool
from keras_seg.ops.resize import resize

__all__ = [
    "max_pool",
    "pad_spatial",
    "removed_stride_padding",
    "resize",
    "sum_pool",
]
