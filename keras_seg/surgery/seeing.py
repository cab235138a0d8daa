"""What a layer sees of the image, given what its input sees."""

import dataclasses
import functools

import keras
from keras import layers

from keras_seg.keras_private import run_through_graph
from keras_seg.surgery import graph
from keras_seg.surgery import pointwise_rules
from keras_seg.surgery.reach import Reach

__all__ = ["WHOLE", "Field", "map_of", "refuse", "see", "through"]


@dataclasses.dataclass(frozen=True)
class Field:
    """What the positions of a tensor see of the image.

    Attributes:
        sides: pair of `Reach`, of the rows and of the columns; empty where
            the tensor is no map.
        data_format: str, of the map.
        whole: bool, whether a mean or maximum over a whole map, or a dense
            layer on all of it, is part of what they see. `sides` leaves it
            out.
    """

    sides: tuple
    data_format: str
    whole: bool = False

    @property
    def is_map(self):
        return bool(self.sides)

    def along(self, function, *pairs):
        """Applies a function to each side and its own of each pair."""
        sides = tuple(map(function, self.sides, *pairs))
        return dataclasses.replace(self, sides=sides)


WHOLE = Field((), "channels_last", True)


def refuse(layer, reason):
    """Raises the error for a layer whose field can't be told."""
    raise ValueError(
        f"What the layer '{layer.name}' ({type(layer).__name__}) sees of the "
        f"image can't be told: {reason}."
    )


def through(model, fields):
    """Follows the fields of a model's inputs to its outputs."""
    return run_through_graph(graph.functional(model), fields, _call)


def _call(operation, *args, **kwargs):
    fields = [
        value
        for value in keras.tree.flatten((args, kwargs))
        if isinstance(value, Field)
    ]
    is_map = any(x.is_map for x in fields)
    if is_map and graph.has_own_call(operation):
        refuse(operation, "it has a `call` of its own")
    seen = see(operation, fields) if is_map else WHOLE
    if isinstance(seen, Field):
        return keras.tree.map_structure(lambda _: seen, operation.output)
    return seen


@functools.singledispatch
def see(layer, fields):
    """Returns what a layer sees; a rule for each kind of layer.

    Args:
        layer: a layer, or an operation such as `+`.
        fields: list of the `Field`s of its inputs, a map among them.

    Returns:
        The `Field` of its output, or a structure of them.
    """
    maps = [x for x in fields if x.is_map]
    first = maps[0]
    if not pointwise_rules.is_pointwise(layer, first.data_format):
        refuse(layer, "it is no kind of layer whose window is known")
    for x in maps[1:]:
        one, other = (
            " × ".join(str(side.stride) for side in y.sides) for y in (first, x)
        )
        if one != other:
            refuse(layer, f"it joins maps of strides {one} and {other}")
        first = first.along(Reach.join, x.sides)
    return dataclasses.replace(first, whole=any(x.whole for x in fields))


@see.register(keras.Model)
def _(model, fields):
    return through(model, fields)


@see.register(layers.Flatten)
@see.register(layers.GlobalAveragePooling2D)
@see.register(layers.GlobalMaxPooling2D)
def _(layer, fields):
    return WHOLE


@see.register(layers.GroupNormalization)
def _(layer, fields):
    """Pointwise, but for the means and deviations of the whole map."""
    (x,) = fields
    return dataclasses.replace(x, whole=True)


@see.register(layers.Permute)
def _(layer, fields):
    (x,) = fields
    formats = {
        ("channels_first", (2, 3, 1)): "channels_last",
        ("channels_last", (3, 1, 2)): "channels_first",
    }
    data_format = formats.get((x.data_format, tuple(layer.dims)))
    if data_format is None:
        refuse(layer, "it does more than move the channels")
    return dataclasses.replace(x, data_format=data_format)


def map_of(layer, fields):
    """The map that a layer takes, which must have its data format."""
    x = fields[0]
    if layer.data_format != x.data_format:
        refuse(
            layer,
            f"its data format is {layer.data_format!r}, that of its maps "
            f"{x.data_format!r}",
        )
    return x
