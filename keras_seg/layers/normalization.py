"""Normalization of images, as classifiers expect them, and of channels."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seg.arguments import check_one_of
from keras_seg.arguments import check_positive
from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.backend import select

__all__ = [
    "LocalResponseNormalization",
    "Preprocess",
]

MEAN_BGR = (103.939, 116.779, 123.68)
MEAN_RGB = (0.485, 0.456, 0.406)
DEVIATION_RGB = (0.229, 0.224, 0.225)

# mode: (whether the channels are reversed, offset, divisor), in the order
# that the channels have afterwards.
MODES = {
    "caffe": (True, MEAN_BGR, (1.0, 1.0, 1.0)),
    "tf": (False, (127.5,) * 3, (127.5,) * 3),
    "torch": (
        False,
        tuple(255 * mean for mean in MEAN_RGB),
        tuple(255 * deviation for deviation in DEVIATION_RGB),
    ),
}


@keras.saving.register_keras_serializable(package="keras_seg")
class Preprocess(SpatialLayer):
    """Converts RGB images of 0...255 to the inputs of an ImageNet classifier.

    | mode | computes |
    |---|---|
    | `"caffe"` | BGR minus (103.939, 116.779, 123.68): VGG, ResNet |
    | `"tf"` | `x / 127.5 - 1`: MobileNet, Xception, Inception, ResNetV2 |
    | `"torch"` | `(x / 255 - mean) / deviation` per channel: DenseNet |

    The numbers are those of
    `keras.applications.imagenet_utils.preprocess_input`. As a part of the
    network, preprocessing cannot be forgotten or differ between training and
    prediction. Channels after the third, such as near infrared, stay where
    they are and get the mean offset and divisor of the three colors.

    Args:
        mode: `"caffe"`, `"tf"` or `"torch"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`; at least 3
        channels, integers or floats.

    Output shape:
        The same.

    Raises:
        ValueError: If the mode is unknown, or there are fewer than 3 channels.

    Example:

    >>> import numpy as np
    >>> y = Preprocess("tf")(np.full((1, 1, 1, 3), 255, "uint8"))
    >>> [float(v) for v in np.ravel(y)]
    [1.0, 1.0, 1.0]
    """

    def __init__(
        self, mode: str, data_format: str | None = None, **kwargs: Any
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_one_of(MODES, mode=mode)
        self.mode = mode

    def build(self, input_shape):
        channels = input_shape[self.channel_axis]
        if channels is None or channels < 3:
            raise ValueError(
                "`Preprocess` knows the mean color of RGB images: at least "
                f"3 channels. Received: input_shape={tuple(input_shape)}"
            )
        self.built = True

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        reverse, offset, divisor = MODES[self.mode]
        x = ops.cast(inputs, self.compute_dtype)
        if reverse:
            channels = x.shape[self.channel_axis]
            order = [2, 1, 0, *range(3, channels)]
            x = select(x, order, self.channel_axis)
        offset = self._constant(offset, x)
        return (x - offset) / self._constant(divisor, x)

    def _constant(
        self, values: tuple[float, ...], x: keras.KerasTensor
    ) -> keras.KerasTensor:
        """The values along the channels; their mean for further channels."""
        shape = [1, 1, 1, 1]
        shape[self.channel_axis] = channels = x.shape[self.channel_axis]
        each = [*values, *[np.mean(values)] * (channels - 3)]
        array = np.reshape(np.asarray(each, "float32"), shape)
        return ops.convert_to_tensor(array, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


@keras.saving.register_keras_serializable(package="keras_seg")
class LocalResponseNormalization(SpatialLayer):
    """Divides values by a power of the mean square of neighboring channels.

        y[c] = x[c] / (k + alpha / size · sum of x[d]² for |d - c| ≤ size // 2)
               ^ beta

    at each position by itself, with zeros for channels outside: Caffe's and
    PyTorch's form of the normalization of [AlexNet](
    https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks),
    which itself does not divide `alpha` by `size`. SegNet-Basic begins with
    it. Half precision is computed in float32, as squares of 255 do not fit
    into float16.

    Args:
        size: int, odd, number of neighboring channels. Defaults to 5.
        alpha: float, weight of the mean square. Defaults to 1e-4.
        beta: float, the exponent. Defaults to 0.75.
        k: float, added to the mean square. Defaults to 1.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`; integers or
        floats.

    Output shape:
        The same.

    Raises:
        ValueError: If `size` is even or below 1, or the number of channels is
            not known.

    Example:

    >>> import numpy as np
    >>> x = np.array([3.0, 4.0, 0.0]).reshape(1, 1, 1, 3)
    >>> y = LocalResponseNormalization(3, alpha=3.0, beta=0.5, k=0.0)(x)
    >>> [round(float(v), 4) for v in np.ravel(y)]
    [0.6, 0.8, 0.0]
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_positive(size=size)
        self.size = size
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

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
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
