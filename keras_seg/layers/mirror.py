"""Padding that mirrors the map at its border."""

import keras
import numpy as np
from keras import ops

from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.backend import select
from keras_seg.ops.padding import ceil_division

__all__ = ["MirrorPad"]


@keras.saving.register_keras_serializable(package="keras_seg")
class MirrorPad(SpatialLayer):
    """Pads maps by their mirror image, the border itself not repeated.

    Position i outside of n positions shows position

        (n - 1) - |i mod 2(n - 1) - (n - 1)|

    as `numpy.pad(mode="reflect")` does: a padding longer than the map goes
    to and fro. A map of one position is repeated.

    Args:
        padding: int, on all sides; or a pair of ints, above and below, and
            on the left and the right; or `((top, bottom), (left, right))`.
            At least 0.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or with the channels second for
        `data_format="channels_first"`.

    Output shape:
        Each side longer by its padding.

    Raises:
        ValueError: for another padding.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)
    >>> y = MirrorPad(((0, 0), (1, 5)))(x)
    >>> [float(v) for v in np.ravel(y)]
    [2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """

    keeps_integers = True

    def __init__(self, padding, data_format=None, **kwargs):
        super().__init__(data_format=data_format, **kwargs)
        self.padding = _pairs(padding)

    def call(self, inputs):
        x, shape = inputs, ops.shape(inputs)
        for axis, (before, after) in zip(
            self.spatial_axes, self.padding, strict=True
        ):
            if before or after:
                x = select(x, _mirrored(shape[axis], before, after), axis)
        return x

    def compute_output_shape(self, input_shape):
        sizes = [
            input_shape[axis] and input_shape[axis] + sum(pair)
            for axis, pair in zip(self.spatial_axes, self.padding, strict=True)
        ]
        return self.with_spatial_shape(input_shape, *sizes)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}


def _mirrored(size, before, after):
    """Which of `size` positions each position of the padded axis shows."""
    if isinstance(size, int):
        most, least, positions = max, np.minimum, np.arange
    else:
        most, least, positions = ops.maximum, ops.minimum, ops.arange
    period = most(2 * (size - 1), 1)
    start = ceil_division(before, period) * period - before
    folded = (positions(size + before + after) + start) % period
    return least(folded, period - folded)


def _pairs(padding):
    pairs = (padding, padding) if _is_amount(padding) else padding
    if isinstance(pairs, list | tuple):
        pairs = [(pair, pair) if _is_amount(pair) else pair for pair in pairs]
        good = len(pairs) == 2 and all(
            isinstance(pair, list | tuple)
            and len(pair) == 2
            and all(map(_is_amount, pair))
            for pair in pairs
        )
        if good:
            return tuple(tuple(pair) for pair in pairs)
    raise ValueError(
        "`padding` must be an integer of at least 0, a pair of them or "
        f"((top, bottom), (left, right)). Received: padding={padding!r}"
    )


def _is_amount(value):
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return is_int and value >= 0
