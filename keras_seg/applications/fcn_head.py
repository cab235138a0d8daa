"""Two convolutions to scores: torchvision's FCN head."""

import keras
from keras import layers

from keras_seg.layers import BatchNorm
from keras_seg.layers import Conv
from keras_seg.ops.backend import channel_axis

__all__ = ["fcn_head"]


def fcn_head(
    x: keras.KerasTensor,
    classes: int,
    data_format: str,
    prefix: str,
    momentum: float = 0.99,
) -> keras.KerasTensor:
    """3×3 with a quarter of the channels, batch norm, ReLU, dropout 0.1, 1×1.

    `prefix` begins the names of the layers, `momentum` is that of batch norm.

    >>> import keras
    >>> fcn_head(keras.Input((9, 7, 16)), 5, "channels_last", "head_").shape
    (None, 9, 7, 5)
    """
    axis = channel_axis(data_format)
    x = Conv(
        max(1, x.shape[axis] // 4),
        3,
        padding="same",
        use_bias=False,
        data_format=data_format,
        name=f"{prefix}conv",
    )(x)
    x = BatchNorm(
        axis=axis, epsilon=1e-5, momentum=momentum, name=f"{prefix}norm"
    )(x)
    x = layers.ReLU(name=f"{prefix}relu")(x)
    x = layers.Dropout(0.1, name=f"{prefix}dropout")(x)
    return Conv(classes, 1, data_format=data_format, name=f"{prefix}score")(x)
