"""What the layers on batches of maps share."""

from typing import ClassVar

import keras

from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import standardize_data_format

__all__ = [
    "SpatialLayer",
    "nested_layers",
]


class SpatialLayer(keras.layers.Layer):
    """A layer on batches of maps that knows where the rows and columns are.

    Args:
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting, read once here.
        **kwargs: of `keras.layers.Layer`.
    """

    # Whether values come out as they went in, so that integers stay integers.
    keeps_integers = False
    # Names of arguments in files of earlier versions, and the present ones.
    renamed: ClassVar[dict[str, str]] = {}

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @classmethod
    def from_config(cls, config):
        names = {name: cls.renamed.get(name, name) for name in config}
        return super().from_config(
            {names[name]: value for name, value in config.items()}
        )

    @property
    def channel_axis(self):
        return channel_axis(self.data_format)

    @property
    def spatial_axes(self):
        return spatial_axes(self.data_format)

    def with_spatial_shape(self, shape, height, width):
        """Returns `shape` with other numbers of rows and columns."""
        shape = list(shape)
        for axis, size in zip(self.spatial_axes, (height, width), strict=True):
            shape[axis] = size
        return tuple(shape)

    def compute_output_spec(self, inputs, *args, **kwargs):
        specs = super().compute_output_spec(inputs, *args, **kwargs)
        if not self.keeps_integers:
            return specs

        def as_given(spec, x):
            floats = keras.backend.is_float_dtype(x.dtype)
            return keras.KerasTensor(
                spec.shape, spec.dtype if floats else x.dtype
            )

        return keras.tree.map_structure(as_given, specs, inputs)

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


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
        inner = list(_layers_in(list(vars(layer).values())))
        waiting.extend(reversed(inner))
    return list(found.values())


def _layers_in(value):
    """The layers in lists, tuples and dictionaries, in order."""
    if isinstance(value, keras.Layer):
        yield value
    elif isinstance(value, dict):
        yield from _layers_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _layers_in(item)
