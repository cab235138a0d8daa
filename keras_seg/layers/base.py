"""The base of the layers on batches of maps, and the layers inside a layer."""

import inspect
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import ClassVar

import keras
from keras import ops

from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import standardize_data_format

__all__ = [
    "SpatialLayer",
    "nested_layers",
]

Shape = tuple[int | None, ...]


class SpatialLayer(keras.layers.Layer):
    """A layer on batches of maps of one data format, set when it is made."""

    # Whether the layer only moves values, so that integers stay integers.
    keeps_integers = False
    # From names of arguments in files of earlier versions to today's.
    renamed: ClassVar[dict[str, str]] = {}

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @classmethod
    def from_config(cls, config):
        return super().from_config(
            {cls.renamed.get(name, name): config[name] for name in config}
        )

    @property
    def channel_axis(self) -> int:
        return channel_axis(self.data_format)

    @property
    def spatial_axes(self) -> tuple[int, int]:
        return spatial_axes(self.data_format)

    def channels_last(self, x: Any) -> Any:
        """Casts an input, and moves its channels to the end."""
        x = ops.cast(x, self.compute_dtype)
        return x if self.channel_axis == 3 else ops.moveaxis(x, 1, -1)

    def as_given(self, x: Any) -> Any:
        """Moves the channels back to where the input has them."""
        return x if self.channel_axis == 3 else ops.moveaxis(x, -1, 1)

    def with_spatial_shape(
        self, shape: Shape, height: int | None, width: int | None
    ) -> Shape:
        """Returns `shape` with other numbers of rows and columns."""
        changed = list(shape)
        for axis, size in zip(self.spatial_axes, (height, width), strict=True):
            changed[axis] = size
        return tuple(changed)

    def with_sizes(
        self, shape: Shape, size_of: Callable[..., int | None], *pairs: tuple
    ) -> Shape:
        """Returns `shape` with `size_of(n, *numbers)` for each known side n.

        The numbers are those of the rows, or of the columns, in each pair.
        """
        changed = list(shape)
        for axis, *numbers in zip(self.spatial_axes, *pairs, strict=True):
            changed[axis] = shape[axis] and size_of(shape[axis], *numbers)
        return tuple(changed)

    def compute_output_spec(self, inputs, *args, **kwargs):
        specs = super().compute_output_spec(inputs, *args, **kwargs)
        if not self.keeps_integers:
            return specs

        def as_given(
            spec: keras.KerasTensor, x: keras.KerasTensor
        ) -> keras.KerasTensor:
            floats = keras.backend.is_float_dtype(x.dtype)
            return keras.KerasTensor(
                spec.shape, spec.dtype if floats else x.dtype
            )

        return keras.tree.map_structure(as_given, specs, inputs)

    def get_config(self):
        """The arguments of the constructor, which are attributes."""
        names = inspect.signature(type(self).__init__).parameters
        own = {n: getattr(self, n) for n in names if hasattr(self, n)}
        return {**super().get_config(), **own}


def nested_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns a layer and all layers inside of it, each once, outer ones first.

    Those of nested models, of wrappers, and of layers that are made of layers,
    such as `keras_seg.layers.ASPP`.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.layers.Dense(2, name="one")])
    >>> [inner.name for inner in nested_layers(model)][1:]
    ['one']
    """
    found: dict[int, keras.Layer] = {}
    waiting = [layer]
    while waiting:
        layer = waiting.pop()
        if id(layer) in found:
            continue
        found[id(layer)] = layer
        inner = list(_layers_in(vars(layer).values()))
        waiting.extend(reversed(inner))
    return list(found.values())


def _layers_in(values: Iterable) -> Iterator[keras.layers.Layer]:
    """Yields the layers among values and in their lists, tuples and
    dictionaries, in order."""
    for value in values:
        if isinstance(value, keras.Layer):
            yield value
        elif isinstance(value, dict):
            yield from _layers_in(value.values())
        elif isinstance(value, list | tuple):
            yield from _layers_in(value)
