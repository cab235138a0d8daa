"""Which layers and operations treat every position by itself."""

import keras
import numpy as np
from keras import layers

from keras_seg.layers import LocalResponseNormalization
from keras_seg.layers import Preprocess
from keras_seg.ops.backend import channel_axis
from keras_seg.surgery import graph
from keras_seg.surgery.locality import POINTWISE
from keras_seg.surgery.locality import POOLED
from keras_seg.surgery.locality import WHOLE
from keras_seg.surgery.locality import locality

__all__ = ["is_elementwise", "is_pointwise", "reach", "rule"]

LAYERS = (
    LocalResponseNormalization,
    Preprocess,
    layers.ActivityRegularization,
    layers.Add,
    layers.AlphaDropout,
    layers.Average,
    layers.Dropout,
    layers.ELU,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.LeakyReLU,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
    layers.ReLU,
    layers.Rescaling,
    layers.SpatialDropout2D,
    layers.Subtract,
)

# Layers that work along one axis: pointwise where it is the channels'.
ALONG_AN_AXIS = (
    layers.BatchNormalization,
    layers.Concatenate,
    layers.LayerNormalization,
    layers.Normalization,
    layers.RMSNormalization,
    layers.Softmax,
    layers.UnitNormalization,
)

OPERATION_NAMES = (
    "Absolute",
    "Add",
    "Cast",
    "Celu",
    "Clip",
    "Divide",
    "Elu",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSilu",
    "HardSwish",
    "HardTanh",
    "LeakyRelu",
    "LogSigmoid",
    "Maximum",
    "Minimum",
    "Mish",
    "Multiply",
    "Negative",
    "Power",
    "ReLU",
    "Relu",
    "Relu6",
    "Rsqrt",
    "Selu",
    "Sigmoid",
    "Silu",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Square",
    "Subtract",
    "Tanh",
    "TrueDivide",
)

# The same along one axis.
OPERATION_NAMES_ALONG_AN_AXIS = ("Concatenate", "Split")

GLOBAL = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)

# Layers that look at neighbors: they need not be tried.
WINDOWS = (
    *graph.CONVOLUTIONS,
    layers.AveragePooling2D,
    layers.Conv2DTranspose,
    layers.Cropping2D,
    layers.Flatten,
    layers.MaxPooling2D,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
)


def is_elementwise(activation):
    """Whether a function is applied to each number by itself.

    Example:

    >>> import keras
    >>> is_elementwise(keras.activations.gelu)
    True
    >>> is_elementwise(keras.activations.softmax)
    False
    """
    x = np.linspace(-2, 3, 24, dtype="float32").reshape(2, 3, 4)
    with keras.StatelessScope():
        fours, pairs = (
            keras.ops.convert_to_numpy(activation(y))
            for y in (x, x.reshape(-1, 2))
        )
    if fours.size != pairs.size:
        return False
    return bool(np.allclose(fours.ravel(), pairs.ravel(), atol=1e-6))


def is_pointwise(operation, data_format):
    """Whether an operation's output at a position depends on that one only.

    Args:
        operation: a layer, or an operation such as `+`.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:

    >>> import keras
    >>> is_pointwise(keras.layers.ReLU(), "channels_last")
    True
    >>> is_pointwise(keras.layers.Conv2D(1, 3), "channels_last")
    False
    """
    return reach(operation, data_format) == POINTWISE


def reach(operation, data_format):
    """Returns which positions an operation's output depends on.

    There are rules for the layers of Keras and for common operations. All
    others are run: see `keras_seg.surgery.locality`.

    Returns:
        `"pointwise"`, `"whole"` if each position depends on the whole map,
        `"pooled"` if there is no map behind it, or None for anything else.
    """
    if not graph.has_own_call(operation):
        if isinstance(operation, layers.GroupNormalization):
            return WHOLE
        if isinstance(operation, GLOBAL):
            return POOLED
        known = rule(operation, data_format)
        if known is not None:
            return POINTWISE if known else None
    return locality(operation, data_format)


def rule(operation, data_format):
    """Whether an operation is pointwise; None if there is no rule for it."""
    is_operation = not isinstance(operation, layers.Layer)
    name = type(operation).__name__
    if isinstance(operation, ALONG_AN_AXIS) or (
        is_operation and name in OPERATION_NAMES_ALONG_AN_AXIS
    ):
        axes = keras.tree.flatten(operation.axis)
        channels = channel_axis(data_format)
        return all(axis in (channels, channels - 4) for axis in axes)
    if isinstance(operation, layers.Activation):
        along_channels = data_format == "channels_last"
        return along_channels or is_elementwise(operation.activation)
    if isinstance(operation, layers.Dense):
        return data_format == "channels_last"
    if isinstance(operation, layers.PReLU):
        shared = set(operation.shared_axes or ())
        return {1, 2, 3} - {channel_axis(data_format)} <= shared
    if isinstance(operation, LAYERS):
        return True
    if isinstance(operation, WINDOWS):
        return False
    if is_operation and name in OPERATION_NAMES:
        return True
    return None
