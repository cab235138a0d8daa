"""The patch classifier N4."""

from collections.abc import Sequence

import keras
from keras import layers

from keras_seg.applications.builder import builder
from keras_seg.arguments import check_positive
from keras_seg.layers import Conv
from keras_seg.layers import MaxPool
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import standardize_data_format

__all__ = ["N4"]

KERNELS = (4, 5, 4, 4)
SMALLEST = 63


@builder
def N4(
    input_shape: Sequence[int | None] | None = None,
    *,
    classes: int = 2,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    filters: int = 48,
    data_format: str | None = None,
    name: str = "n4",
) -> keras.Model:
    """N4: the class of the pixel in the middle of a window of 95×95.

    Four convolutions without padding, each with ReLU and 2×2 max pooling
    behind it, then 200 fully connected units and the scores: 92, 46, 42, 21,
    18, 9, 6 and 3 positions a side; 219,290 weights for one channel and two
    classes. `keras_seg.applications.SlidingWindow` makes it a network for
    whole images. Reference:

    - [Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy
      Images](https://papers.nips.cc/paper/4741) (NIPS 2012)

    Layers and ReLU are those of the network's definition in
    [ZNN](https://github.com/seung-lab/znn-release).

    Args:
        input_shape: shape of a window without the batch, of a fixed size of
            at least 63×63. Defaults to the paper's: 95×95, one channel.
        classes: int, at least 1. Defaults to 2.
        classifier_activation: name of an activation, such as the paper's
            `"softmax"`, or None for logits. Defaults to None.
        include_preprocessing: bool, whether pixels come as 0 … 255 and the
            network brings them to -1 … 1, or they are taken as they come.
            Defaults to True.
        filters: int, of each convolution. Defaults to 48.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        name: str, name of the model.

    Returns:
        A functional `keras.Model`: windows to float32 logits
        `(batch, classes)`.

    Raises:
        ValueError: If an argument is out of range. The message names it.

    Example:

    >>> import keras_seg
    >>> keras_seg.applications.N4().count_params()
    219290
    """
    check_positive(classes=classes, filters=filters)
    data_format = standardize_data_format(data_format)
    if input_shape is None:
        input_shape = (95, 95, 1)
        if data_format == "channels_first":
            input_shape = (1, 95, 95)
    window = keras.Input(input_shape, name="window")
    sizes = [window.shape[axis] for axis in spatial_axes(data_format)]
    if None in sizes or min(sizes) < SMALLEST:
        raise ValueError(
            f"N4 classifies windows of a fixed size of at least {SMALLEST}×"
            f"{SMALLEST}. Received: input_shape={tuple(input_shape)}, "
            f"data_format={data_format!r}"
        )

    x = window
    if include_preprocessing:
        x = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(x)
    for number, kernel_size in enumerate(KERNELS, start=1):
        x = Conv(
            filters,
            kernel_size,
            activation="relu",
            kernel_initializer="he_normal",
            data_format=data_format,
            name=f"conv{number}",
        )(x)
        x = MaxPool(2, data_format=data_format, name=f"pool{number}")(x)
    x = layers.Flatten(data_format=data_format, name="flatten")(x)
    x = layers.Dense(
        200, activation="relu", kernel_initializer="he_normal", name="fc1"
    )(x)
    x = layers.Dense(
        classes, activation=classifier_activation, dtype="float32", name="fc2"
    )(x)
    return keras.Model(window, x, name=name)
