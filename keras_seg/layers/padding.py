"""Padding and cropping of maps to sizes known at run time."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seg.arguments import check_positive
from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.backend import select
from keras_seg.ops.padding import ceil_division
from keras_seg.ops.padding import pad_spatial

__all__ = [
    "CropToSmallest",
    "PadToMultiple",
    "ReflectionPadding",
]


@keras.saving.register_keras_serializable(package="keras_seg")
class PadToMultiple(SpatialLayer):
    """Pads maps with zeros, at the bottom and right, to a multiple.

    Args:
        multiple: int, both sides become a multiple of it, plus `remainder`.
        remainder: int, at least 0 and below `multiple`. With 1, as in
            DeepLab's 321 and 513, every stride keeps the first and the last
            position. Defaults to 0.
        minimum: int, the smallest size of a side afterwards. Defaults to 1.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        Each side the next multiple.

    Raises:
        ValueError: If `multiple` is below 1, or `remainder` is not below it.

    Example:

    >>> import numpy as np
    >>> tuple(PadToMultiple(32)(np.zeros((1, 1, 65, 3))).shape)
    (1, 32, 96, 3)
    """

    keeps_integers = True

    def __init__(
        self,
        multiple: int,
        remainder: int = 0,
        minimum: int = 1,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_positive(multiple=multiple, minimum=minimum)
        self.multiple = multiple
        if not isinstance(remainder, int) or not 0 <= remainder < multiple:
            raise ValueError(
                "`remainder` must be an integer of at least 0 and below "
                f"`multiple`. Received: remainder={remainder!r}, "
                f"multiple={multiple}"
            )
        self.remainder = remainder
        self.minimum = minimum

    def _missing(self, size: Any) -> Any:
        """How many rows or columns are added to so many."""
        most = ops.maximum if ops.is_tensor(size) else max
        least = most(size, self.minimum)
        steps = ceil_division(least - self.remainder, self.multiple)
        return self.remainder + steps * self.multiple - size

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        shape = ops.shape(inputs)
        rows, columns = (
            (0, self._missing(shape[axis])) for axis in self.spatial_axes
        )
        return pad_spatial(inputs, rows, columns, self.data_format)

    def compute_output_shape(self, input_shape):
        return self.with_sizes(input_shape, lambda n: n + self._missing(n))


@keras.saving.register_keras_serializable(package="keras_seg")
class CropToSmallest(SpatialLayer):
    """Crops several maps, at the bottom and right, to the smallest of them.

    Where the strides of a network have been removed, two branches that meet
    can differ by a few positions behind the last one of the strided network.

    Args:
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        A list of `(batch, height, width, channels)`, or with the channels
        second for `data_format="channels_first"`.

    Output shape:
        A list of the same maps, of one height and one width.

    Example:

    >>> import numpy as np
    >>> maps = CropToSmallest()([np.zeros((1, 5, 8, 2)), np.ones((1, 6, 7, 1))])
    >>> [tuple(x.shape) for x in maps]
    [(1, 5, 7, 2), (1, 5, 7, 1)]
    """

    keeps_integers = True

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.input_spec = None

    def call(
        self, inputs: Sequence[keras.KerasTensor]
    ) -> list[keras.KerasTensor]:
        shapes = [ops.shape(x) for x in inputs]
        window = [slice(None)] * 4
        for axis in self.spatial_axes:
            sizes = [shape[axis] for shape in shapes]
            if all(isinstance(size, int) for size in sizes):
                window[axis] = slice(min(sizes))
            else:
                window[axis] = slice(ops.min(ops.stack(sizes)))
        return [x[tuple(window)] for x in inputs]

    def compute_output_shape(self, input_shape):
        sizes = []
        for axis in self.spatial_axes:
            lengths = [shape[axis] for shape in input_shape]
            sizes.append(None if None in lengths else min(lengths))
        return [self.with_spatial_shape(s, *sizes) for s in input_shape]


@keras.saving.register_keras_serializable(package="keras_seg", name="MirrorPad")
class ReflectionPadding(SpatialLayer):
    """Pads maps by reflection, as `numpy.pad(mode="reflect")` does.

    Position i outside of n positions has the value of position

        (n - 1) - |i mod 2(n - 1) - (n - 1)|

    so the border is not repeated, and a padding longer than the map goes to
    and fro. A map of one position is repeated.

    Args:
        padding: int, at least 0, of all sides; or a pair of ints, `(vertical,
            horizontal)`; or `((top, bottom), (left, right))`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        Each side longer by its padding.

    Raises:
        ValueError: for another padding.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)
    >>> y = ReflectionPadding(((0, 0), (1, 5)))(x)
    >>> [float(v) for v in np.ravel(y)]
    [2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """

    keeps_integers = True

    def __init__(
        self,
        padding: int | tuple,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.padding = _pairs(padding)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        x, shape = inputs, ops.shape(inputs)
        for axis, (before, after) in zip(
            self.spatial_axes, self.padding, strict=True
        ):
            if before or after:
                x = select(x, _mirrored(shape[axis], before, after), axis)
        return x

    def compute_output_shape(self, input_shape):
        return self.with_sizes(
            input_shape, lambda n, pad: n + sum(pad), self.padding
        )


def _mirrored(size: Any, before: int, after: int) -> Any:
    """Which of `size` positions each position of the padded axis shows."""
    if isinstance(size, int):
        most, least, positions = max, np.minimum, np.arange
    else:
        most, least, positions = ops.maximum, ops.minimum, ops.arange
    period = most(2 * (size - 1), 1)
    start = ceil_division(before, period) * period - before
    folded = (positions(size + before + after) + start) % period
    return least(folded, period - folded)


def _pairs(padding: Any) -> tuple[tuple[int, int], ...]:
    pairs = tuple(map(_pair, _pair(padding)))
    if pairs and all(pairs) and all(map(_is_amount, sum(pairs, ()))):
        return pairs
    raise ValueError(
        "`padding` must be an integer of at least 0, a pair of them or "
        f"((top, bottom), (left, right)). Received: padding={padding!r}"
    )


def _pair(value: Any) -> tuple:
    """The value twice, or the pair that it is; else empty."""
    pair = (value, value) if _is_amount(value) else value
    is_pair = isinstance(pair, list | tuple) and len(pair) == 2
    return tuple(pair) if is_pair else ()


def _is_amount(value: Any) -> bool:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return is_int and value >= 0
