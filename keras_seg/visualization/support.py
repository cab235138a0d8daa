"""Which pixels a position of a map depends on, and how strongly."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.visualization.coloring import Picture

__all__ = ["strengths", "support"]

# From the weakest strength to the greatest.
BLUES = np.array([(222, 235, 247), (107, 174, 214), (8, 48, 107)])


def support(
    model: Callable,
    images: ArrayLike,
    position: tuple[int, int] | None = None,
    channel: int | None = None,
    *,
    data_format: str | None = None,
) -> NDArray[np.float32]:
    """Computes which pixels one position of a map depends on, how strongly.

    The strength of a pixel is the absolute gradient of the position for the
    pixel, summed over its channels; the mean over the images. Where it is zero,
    the position does not depend on the pixel: with holes in the kernels that is
    most of what `keras_seg.receptive_field` gives the size of. The strengths
    of a deep network fall from the middle to the border. See
    [Understanding the Effective Receptive Field in Deep Convolutional Neural
    Networks](https://arxiv.org/abs/1701.04128).

    Give the logits of a classifier: the probabilities of a position sum to 1,
    and the gradient of that is zero.

    Args:
        model: callable, from images to maps: a `keras.Model`, or a layer. For
            an inner layer `keras.Model(model.inputs, layer.output)`.
        images: array `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        position: row and column of the map; negative ones count from the end.
            Defaults to the middle.
        channel: int, of the map. Defaults to the sum of all.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's:
            of the images and the maps.

    Returns:
        A float array `(height, width)` of the size of the images.

    Raises:
        ValueError: If there are no images or maps of rank 4, or the position
            or the channel is not in the map.

    Example: a kernel of 3×3 with holes sees 9 of 25 pixels

    >>> import keras, numpy as np
    >>> layer = keras.layers.Conv2D(1, 3, padding="same", dilation_rate=2)
    >>> seen = support(layer, np.zeros((1, 7, 7, 1)), position=(3, 3))
    >>> [[int(value > 0) for value in row] for row in seen[1:6, 1:6]]
    [[1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 1, 0, 1], [0, 0, 0, 0, 0], \
[1, 0, 1, 0, 1]]
    """
    # Pictures of data need no Keras.
    from keras import ops

    from keras_seg.ops.backend import channel_axis
    from keras_seg.ops.backend import gradient
    from keras_seg.ops.backend import standardize_data_format

    data_format = standardize_data_format(data_format)
    images = np.asarray(images, "float32")
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            "`images` must be a batch, of one image at least: (batch, height, "
            f"width, channels). Received: an array of shape {images.shape}"
        )

    def value(x: Any) -> Any:
        y = model(x)
        if len(getattr(y, "shape", ())) != 4:
            raise ValueError(
                "`model` must give one map, (batch, height, width, channels). "
                f"Received: {getattr(y, 'shape', type(y).__name__)}"
            )
        if data_format == "channels_first":
            y = ops.transpose(y, (0, 2, 3, 1))
        height, width, channels = y.shape[1:]
        row, column = position or (height // 2, width // 2)
        for name, index, size in (
            ("position", row, height),
            ("position", column, width),
            ("channel", channel or 0, channels),
        ):
            if not -size <= index < size:
                raise ValueError(
                    f"`{name}` must be in the map of {height}×{width} and "
                    f"{channels} channels. Received: position={position}, "
                    f"channel={channel}"
                )
        there = y[:, row, column]
        return ops.sum(there if channel is None else there[:, channel])

    found = np.abs(gradient(value, images))
    return found.sum(channel_axis(data_format)).mean(0)


def strengths(values: ArrayLike) -> Picture:
    """Colors an array of strengths: zero is white, the greatest dark blue.

    Colors follow the square root of the strength, so that a hundredth of the
    greatest can be seen.

    Args:
        values: array `(height, width)` of at least 0, such as
            `keras_seg.visualization.support` returns.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: If the array has another rank, or a value is below 0 or not
            finite.

    Example:

    >>> strengths([[0.0, 1.0]]).tolist()
    [[[255, 255, 255], [8, 48, 107]]]
    """
    values = np.asarray(values, "float64")
    if values.ndim != 2 or not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(
            "`values` must be finite, at least 0, and of shape (height, "
            f"width). Received: an array of shape {values.shape}"
        )
    share = np.sqrt(values / max(values.max(initial=0), 1e-30))
    at = np.linspace(0, 1, len(BLUES))
    colors = [np.interp(share, at, band) for band in BLUES.T]
    picture = np.rint(np.stack(colors, axis=-1)).astype("uint8")
    picture[values == 0] = 255
    return picture
