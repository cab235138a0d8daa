"""Classes of the operations that functions of `keras.ops` make in a graph."""

import keras
from keras import ops

from keras_seg.keras_private import producer

__all__ = [
    "AveragePool",
    "ConvOperation",
    "DepthwiseConvOperation",
    "MaxPool",
    "Pad",
    "WINDOW_OPERATIONS",
]

# Keras does not export them.
_MAP = keras.KerasTensor((1, 1, 1, 1))
Pad = type(producer(ops.pad(_MAP, 1)))
MaxPool = type(producer(ops.max_pool(_MAP, 1)))
AveragePool = type(producer(ops.average_pool(_MAP, 1)))
ConvOperation = type(producer(ops.conv(_MAP, _MAP)))
DepthwiseConvOperation = type(producer(ops.depthwise_conv(_MAP, _MAP)))
WINDOW_OPERATIONS = (
    MaxPool,
    AveragePool,
    ConvOperation,
    DepthwiseConvOperation,
)
