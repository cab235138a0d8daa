"""Functions on batches of maps, for every backend."""

# First, so that what Keras's import registers is not half imported.
import keras  # noqa: F401

from keras_seg.ops import crf
from keras_seg.ops.cells import bed_of_nails
from keras_seg.ops.cells import nearest_upsampling
from keras_seg.ops.padding import pad_spatial
from keras_seg.ops.padding import removed_stride_padding
from keras_seg.ops.pooling import max_pool
from keras_seg.ops.pooling import sum_pool
from keras_seg.ops.resize import resize
from keras_seg.ops.spreading import spread_plane
from keras_seg.ops.switch_conventions import switches_from_tensorflow
from keras_seg.ops.switch_conventions import switches_to_tensorflow
from keras_seg.ops.switches import max_pool_with_switches
from keras_seg.ops.switches import pooled_size
from keras_seg.ops.unpooling import max_unpool

__all__ = [
    "bed_of_nails",
    "crf",
    "max_pool",
    "max_pool_with_switches",
    "max_unpool",
    "nearest_upsampling",
    "pad_spatial",
    "pooled_size",
    "removed_stride_padding",
    "resize",
    "spread_plane",
    "sum_pool",
    "switches_from_tensorflow",
    "switches_to_tensorflow",
]
