"""Normalization by the neighboring channels."""

import keras
from keras import ops

from keras_seg.layers.base import SpatialLayer
from keras_seg.layers.base import positive_int

__all__ = ["LocalResponseNormalization"]


@keras.saving.register_keras_serializable(package="keras_seg")
class LocalResponseNormalization(SpatialLayer):
    """Divides every value by the strength of the channels around it.

        y[c] = x[c] / (k + alpha / size · sum of x[d]² for |d - c| ≤ size // 2)
               ^ beta

    at every position by itself, channels outside counting as zeros: Caffe's
    and PyTorch's form of the normalization of [AlexNet](
    https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks),
    which itself does not divide `alpha` by `size`. SegNet-Basic begins with
    it. Half precision is computed in float32: squares of 255 do not fit into
    float16.

    Args:
        size: int, how many neighboring channels count, an odd number.
            Defaults to 5.
        alpha: float, weight of the mean square. Defaults to 1e-4.
        beta: float, the exponent. Defaults to 0.75.
        k: float, what is added. Defaults to 1.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second for
        `data_format="channels_first"`; integers or floats.

    Output shape:
        The same.

    Raises:
        ValueError: for a size that is even or below 1, and an unknown number
            of channels.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 4.0, 0.0]).reshape(1, 1, 1, 3)
    >>> y = LocalResponseNormalization(3, alpha=3.0, beta=0.5, k=0.0)(x)
    >>> [round(float(v), 4) for v in np.ravel(y)]
    [0.6, 0.8, 0.0]
    """

    def __init__(
        self, size=5, alpha=1e-4, beta=0.75, k=1.0, data_format=None, **kwargs
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.size = positive_int("size", size)
        if size % 2 == 0:
            raise ValueError(
                "`size` must be odd: as many channels before as after. "
                f"Received: size={size}"
            )
        self.alpha = float(alpha)
        self.beta = float(beta)
        self.k = float(k)

    def build(self, input_shape):
        if input_shape[self.channel_axis] is None:
            raise ValueError(
                "The number of channels must be known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.built = True

    def call(self, inputs):
        x = ops.cast(inputs, self.compute_dtype)
        x = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        axis = self.channel_axis
        channels = x.shape[axis]
        reach = min(self.size // 2, channels - 1)
        pads = [(0, 0)] * 4
        pads[axis] = (reach, reach)
        squares = ops.pad(ops.square(x), pads)
        before = (slice(None),) * axis
        total = sum(
            squares[(*before, slice(start, start + channels))]
            for start in range(2 * reach + 1)
        )
        scale = self.k + self.alpha / self.size * total
        return ops.cast(x / ops.power(scale, self.beta), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "alpha": self.alpha,
            "beta": self.beta,
            "k": self.k,
        }
