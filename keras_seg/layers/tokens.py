"""From images to the tokens of a transformer, and back to maps."""

import math
from typing import Any

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_one_of
from keras_seg.arguments import check_positive
from keras_seg.layers.base import SpatialLayer
from keras_seg.ops.padding import ceil_division
from keras_seg.ops.padding import pad_spatial
from keras_seg.ops.resize import resize

__all__ = ["PatchTokens", "RotaryPositions", "TokensToMap"]


@keras.saving.register_keras_serializable(package="keras_seg")
class PatchTokens(SpatialLayer):
    """Cuts an image into patches and makes a token of each.

    A token is the scalar product of its patch with the kernel of each filter,
    plus the embedding of its position. Tokens that belong to no patch, such
    as the class token, stand in front. This is how a Vision Transformer
    begins; here the image may have any size:

    * Sides are padded by zeros, below and on the right, to a multiple of
      `stride`.
    * Positions are interpolated from the grid of the size that the network
      was trained at.

    With `grids=k` it does so on `k²` copies of the image, shifted by
    `stride / k` pixels up and to the left one after the other, and returns
    them as one batch: the first copy is the image itself. What a shift leaves
    free is zero. `TokensToMap` with the same `grids` interleaves them. See
    `keras_seg.surgery.set_output_stride`. Reference:

    - [An Image is Worth 16x16 Words](https://arxiv.org/abs/2010.11929)

    Args:
        filters: int, length of a token.
        patch_size: int, pixels along a side of a patch.
        stride: int, pixels of the image from one patch to the next. If it is
            another number than `patch_size`, the image is resized first, so
            that the patches of the resized one are neighbors. Defaults to
            None, `patch_size`.
        grids: int, copies along each side, a divisor of `stride`. Defaults to
            1.
        prefix_tokens: int, tokens that belong to no patch. Defaults to 0.
        grid: pair of ints, the rows and columns of trained positions.
            Defaults to None: no positions are added.
        interpolation: `"bilinear"`, corners aligned, as in the code of the
            paper, or `"bicubic"`, as in that of DINO. Defaults to
            `"bilinear"`.
        use_bias: bool, whether filters have a bias. Defaults to True.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        `(batch · grids², prefix_tokens + rows · columns, filters)`.

    Raises:
        ValueError: If an argument is out of range. The message names it.

    Example:

    >>> import numpy as np
    >>> layer = PatchTokens(8, 16, prefix_tokens=1, grid=(2, 2))
    >>> tuple(layer(np.zeros((1, 40, 64, 3), "float32")).shape)  # 3 · 4 + 1
    (1, 13, 8)
    """

    def __init__(
        self,
        filters: int,
        patch_size: int,
        stride: int | None = None,
        grids: int = 1,
        prefix_tokens: int = 0,
        grid: tuple[int, int] | None = None,
        interpolation: str = "bilinear",
        use_bias: bool = True,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        stride = patch_size if stride is None else stride
        check_positive(
            filters=filters, patch_size=patch_size, stride=stride, grids=grids
        )
        check_integer(0, prefix_tokens=prefix_tokens)
        check_one_of(("bilinear", "bicubic"), interpolation=interpolation)
        if stride % grids:
            raise ValueError(
                "`grids` must divide `stride`: a shift is a number of pixels. "
                f"Received: grids={grids}, stride={stride}"
            )
        self.filters = filters
        self.patch_size = patch_size
        self.stride = stride
        self.grids = grids
        self.prefix_tokens = prefix_tokens
        self.grid = None if grid is None else tuple(grid)
        self.interpolation = interpolation
        self.use_bias = use_bias
        self.project = layers.Conv2D(
            filters,
            patch_size,
            strides=patch_size,
            use_bias=use_bias,
            data_format="channels_last",
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="project",
        )

    def build(self, input_shape):
        shape = [None, None, None, input_shape[self.channel_axis]]
        self.project.build(shape)
        initializer = keras.initializers.TruncatedNormal(stddev=0.02)
        self.positions = self.prefix = None
        if self.grid is not None:
            self.positions = self.add_weight(
                (1, *self.grid, self.filters), initializer, name="positions"
            )
        if self.prefix_tokens:
            self.prefix = self.add_weight(
                (1, self.prefix_tokens, self.filters),
                initializer,
                name="prefix",
            )

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        x, rows, columns = self._shifted(self.channels_last(inputs))
        if self.stride != self.patch_size:
            size = rows * self.patch_size, columns * self.patch_size
            x = resize(x, size)
        x = self.project(x)
        if self.positions is not None:
            x += self._positions(rows, columns)
        batch = ops.shape(x)[0]
        x = ops.reshape(x, (batch, rows * columns, self.filters))
        if self.prefix is None:
            return x
        prefix = ops.cast(self.prefix, x.dtype)
        prefix = ops.broadcast_to(
            prefix, (batch, self.prefix_tokens, self.filters)
        )
        return ops.concatenate([prefix, x], axis=1)

    def _shifted(self, x):
        """The copies as one batch, and how many patches they have."""
        height, width = ops.shape(x)[1:3]
        rows = ceil_division(height, self.stride)
        columns = ceil_division(width, self.stride)
        step = self.stride // self.grids
        shift = step * (self.grids - 1)
        x = pad_spatial(
            x,
            (0, rows * self.stride - height + shift),
            (0, columns * self.stride - width + shift),
            "channels_last",
        )
        if self.grids == 1:
            return x, rows, columns
        windows = [
            slice(number * step, (number * step - shift) or None)
            for number in range(self.grids)
        ]
        copies = [x[:, down, across] for down in windows for across in windows]
        return ops.concatenate(copies, axis=0), rows, columns

    def _positions(self, rows, columns):
        x = ops.convert_to_tensor(self.positions)
        if isinstance(rows, int) and (rows, columns) == self.grid:
            return x
        cubic = self.interpolation == "bicubic"
        return resize(
            x,
            (rows, columns),
            align_corners=not cubic,
            interpolation=self.interpolation,
        )

    def compute_output_shape(self, input_shape):
        batch = input_shape[0] and input_shape[0] * self.grids**2
        sizes = [input_shape[axis] for axis in self.spatial_axes]
        tokens = None
        if None not in sizes:
            tokens = self.prefix_tokens + math.prod(
                ceil_division(size, self.stride) for size in sizes
            )
        return (batch, tokens, self.filters)


@keras.saving.register_keras_serializable(package="keras_seg")
class TokensToMap(SpatialLayer):
    """Puts the tokens of patches back to the places they came from.

    Tokens that belong to no patch are left out.

    Args:
        stride: int, pixels of the image from one patch to the next.
        grids: int, of the `PatchTokens` that made the tokens. The `grids²`
            maps of each image are interleaved. Defaults to 1.
        prefix_tokens: int, tokens in front that belong to no patch. Defaults
            to 0.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        tokens: tensor `(batch · grids², prefix_tokens + rows · columns,
            channels)`.
        image: the image that the tokens were made of, for its size.

    Output shape:
        `(batch, grids · rows, grids · columns, channels)` for
        `"channels_last"`; a row for every `stride` pixels begun.

    Example:

    >>> import numpy as np
    >>> tokens = np.arange(7.0).reshape(1, 7, 1)
    >>> x = TokensToMap(16, prefix_tokens=1)(tokens, np.zeros((1, 32, 40, 3)))
    >>> [[float(v) for v in row] for row in x[0, :, :, 0]]
    [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    """

    keeps_integers = True

    def __init__(
        self,
        stride: int,
        grids: int = 1,
        prefix_tokens: int = 0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.input_spec = None
        check_positive(stride=stride, grids=grids)
        check_integer(0, prefix_tokens=prefix_tokens)
        self.stride = stride
        self.grids = grids
        self.prefix_tokens = prefix_tokens

    def call(
        self, tokens: keras.KerasTensor, image: keras.KerasTensor
    ) -> keras.KerasTensor:
        k = self.grids
        channels = tokens.shape[-1]
        rows, columns = (
            ceil_division(ops.shape(image)[axis], self.stride)
            for axis in self.spatial_axes
        )
        x = tokens[:, self.prefix_tokens :]
        if k > 1:
            x = ops.reshape(x, (k, k, -1, rows, columns, channels))
            x = ops.transpose(x, (2, 3, 0, 4, 1, 5))
        x = ops.reshape(x, (-1, rows * k, columns * k, channels))
        return self.as_given(x)

    def compute_output_shape(self, tokens_shape, image_shape):
        shape = list(image_shape)
        shape[self.channel_axis] = tokens_shape[-1]
        return self.with_sizes(
            tuple(shape), lambda n: ceil_division(n, self.stride) * self.grids
        )


@keras.saving.register_keras_serializable(package="keras_seg")
class RotaryPositions(SpatialLayer):
    """The angles by which DINOv3 turns queries and keys, for each patch.

    The center of each patch has coordinates from -1 to 1 along both sides of
    the image. Each is multiplied by 2π and by the frequencies

        theta^(-4i / size),    i = 0 … size / 4 - 1

    and what this gives for rows, then for columns, is repeated once. Reference:

    - [DINOv3](https://arxiv.org/abs/2508.10104)

    Args:
        size: int, length of a query, a multiple of 4.
        stride: int, pixels of the image from one patch to the next.
        theta: float, the base of the periods. Defaults to 100.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` for `"channels_last"`.

    Output shape:
        Cosines and sines, two of `(rows · columns, size)`.

    Example:

    >>> import numpy as np
    >>> cos, sin = RotaryPositions(4, 16)(np.zeros((1, 32, 16, 3)))
    >>> [[round(float(v), 6) for v in row] for row in cos]
    [[-1.0, 1.0, -1.0, 1.0], [-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(
        self,
        size: int,
        stride: int,
        theta: float = 100.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        check_positive(size=size, stride=stride)
        self.size = size
        self.stride = stride
        self.theta = theta

    def call(
        self, inputs: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        rows, columns = (
            ceil_division(ops.shape(inputs)[axis], self.stride)
            for axis in self.spatial_axes
        )
        exponents = -4.0 * np.arange(self.size // 4) / self.size
        frequencies = 2.0 * np.pi * np.power(self.theta, exponents)
        frequencies = ops.convert_to_tensor(frequencies, "float32")
        down, across = (
            ops.expand_dims(_centers(count), 1) * frequencies
            for count in (rows, columns)
        )
        shape = (rows, columns, self.size // 4)
        angles = ops.concatenate(
            [
                ops.broadcast_to(ops.expand_dims(down, 1), shape),
                ops.broadcast_to(ops.expand_dims(across, 0), shape),
            ],
            axis=-1,
        )
        angles = ops.reshape(angles, (rows * columns, self.size // 2))
        angles = ops.tile(angles, (1, 2))
        return (
            ops.cast(ops.cos(angles), self.compute_dtype),
            ops.cast(ops.sin(angles), self.compute_dtype),
        )

    def compute_output_shape(self, input_shape):
        sizes = [input_shape[axis] for axis in self.spatial_axes]
        count = None
        if None not in sizes:
            count = math.prod(ceil_division(n, self.stride) for n in sizes)
        return (count, self.size), (count, self.size)


def _centers(count):
    """The centers of `count` equal parts of the line from -1 to 1."""
    position = ops.cast(ops.arange(count), "float32") + 0.5
    return 2.0 * position / ops.cast(count, "float32") - 1.0
