"""A classifier's own preprocessing, as a layer of the network."""

import keras
import numpy as np
from keras import ops

from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.backend import select

__all__ = ["Preprocess"]

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
    """Pictures of 0 … 255 in RGB to what an ImageNet classifier was fed.

    | mode | computes |
    |---|---|
    | `"caffe"` | BGR minus (103.939, 116.779, 123.68): VGG, ResNet |
    | `"tf"` | `x / 127.5 - 1`: MobileNet, Xception, Inception, ResNetV2 |
    | `"torch"` | `(x / 255 - mean) / deviation` per channel: DenseNet |

    The same numbers as `keras.applications.imagenet_utils.preprocess_input`.
    As part of the network it can't be forgotten, or differ between training
    and prediction. Channels after the third, near infrared for example, get
    the mean offset and divisor of the three colours and stay behind them.

    Args:
        mode: `"caffe"`, `"tf"` or `"torch"`.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second for
        `data_format="channels_first"`; at least 3 channels, integers or
        floats.

    Output shape:
        The same.

    Raises:
        ValueError: for another mode, or fewer than 3 channels.

    Example:

    >>> import numpy as np
    >>> y = Preprocess("tf")(np.full((1, 1, 1, 3), 255, "uint8"))
    >>> [float(v) for v in np.ravel(y)]
    [1.0, 1.0, 1.0]
    """

    def __init__(self, mode, data_format=None, **kwargs):
        # Integers come in as they are: `call` makes floats of them.
        super().__init__(data_format=data_format, **kwargs)
        if mode not in MODES:
            raise ValueError(
                f"`mode` must be one of {tuple(MODES)}. Received: mode={mode!r}"
            )
        self.mode = mode

    def build(self, input_shape):
        channels = input_shape[self.channel_axis]
        if channels is None or channels < 3:
            raise ValueError(
                "`Preprocess` knows the mean colour of RGB pictures: at least "
                f"3 channels. Received: input_shape={tuple(input_shape)}"
            )
        self.built = True

    def call(self, inputs):
        reverse, offset, divisor = MODES[self.mode]
        x = ops.cast(inputs, self.compute_dtype)
        if reverse:
            channels = x.shape[self.channel_axis]
            order = [2, 1, 0, *range(3, channels)]
            x = select(x, order, self.channel_axis)
        offset = self._constant(offset, x)
        return (x - offset) / self._constant(divisor, x)

    def _constant(self, values, x):
        shape = [1, 1, 1, 1]
        shape[self.channel_axis] = channels = x.shape[self.channel_axis]
        values = [*values, *[np.mean(values)] * (channels - 3)]
        values = np.reshape(np.asarray(values, "float32"), shape)
        return ops.convert_to_tensor(values, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}
