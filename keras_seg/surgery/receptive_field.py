"""The receptive field of a network, read from its graph."""

import dataclasses
import math
from fractions import Fraction
from typing import Any

import keras

from keras_seg.keras_private import calls_of
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery.intervals import Field
from keras_seg.surgery.intervals import Intervals
from keras_seg.surgery.receptive_field_rules import output_fields

__all__ = ["ReceptiveField", "receptive_field"]

# A side that is not known: a multiple of all usual strides and scales.
UNKNOWN_SIZE = 2**10 * 3**2 * 5 * 7

Number = int | float | Fraction


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """The pixels of the image that the positions of a map depend on.

    Position `i` of a side depends on the pixels from `center + i · stride -
    (size - 1) / 2` to `center + i · stride + (size - 1) / 2`. Each number is a
    pair `(height, width)` if rows and columns differ. The numbers are exact:
    ints, floats, or fractions where no float is exact.

    Args:
        size: pixels of the side; `math.inf` if it is the whole image.
        stride: pixels between the fields of neighboring positions; None for
            what is not a map, such as the scores of a classifier.
        center: the middle of the field of position 0, counted from the
            middle of the first pixel; negative if it is in the padding. None
            for what is not a map.
    """

    size: Number | tuple[Number, Number]
    stride: Number | tuple[Number, Number] | None
    center: Number | tuple[Number, Number] | None


def receptive_field(
    model: keras.Model,
    layer: str | keras.Layer | keras.KerasTensor | None = None,
    *,
    global_pooling: bool = True,
) -> ReceptiveField | Any:
    """Computes the receptive field of a model's output, or of a layer's.

    For each layer with a window of `k` taps, `r` positions apart, that moves
    by `t` on a map of stride `s`, padded by `p` in front:

        size ← size + (k - 1) · r · s
        center ← center + ((k - 1) · r / 2 - p) · s
        stride ← stride · t

    If maps are joined, the field is the smallest interval that contains the
    fields of all of them; not every pixel in it has an influence. See
    [Computing Receptive Fields of Convolutional Neural
    Networks](https://distill.pub/2019/computing-receptive-fields/).

    In a network that enlarges its maps, as every segmentation network does,
    the fields of neighboring pixels differ in a periodic pattern. `size` is
    the largest of them and `center` the mean over the pattern: 0 if scores lie
    over their own pixels. A map that is resized to the size of another
    (`ResizeLike`) is taken to cover the same pixels.

    Padding "same" with a stride depends on the size of the map. An input of
    unknown size is taken for a large multiple of the strides. The border of
    the image, where part of the field is padding, is left out.

    Args:
        model: functional `keras.Model`; batch norm as in prediction.
        layer: name of one of its layers, a layer, or a tensor of the model.
            Defaults to the output of the model.
        global_pooling: bool, whether statistics of a whole map count: image
            pooling in an `ASPP`, squeeze-and-excite, group norm. If so, the
            field is the whole image, `math.inf`; if not, it is that of the
            convolutions and pools. Defaults to True.

    Returns:
        A `ReceptiveField`; for several outputs, a structure of them.

    Raises:
        ValueError: If there is no rule for a layer, or it joins maps of
            different strides; the message names it. If the model has no such
            layer, or an input that is not a map. If nothing is left without
            global pooling.

    Example:

    >>> import keras, keras_seg
    >>> vgg = keras.applications.VGG16(include_top=False, weights=None)
    >>> keras_seg.receptive_field(vgg, "block3_pool")
    ReceptiveField(size=44, stride=8, center=3.5)
    >>> keras_seg.receptive_field(vgg).size
    212
    """
    model = graph.functional(model)
    data_format = graph.data_format_of(model)
    if layer is not None:
        model = _up_to(model, layer)
    inputs = [_pixels(model, x, data_format) for x in model.inputs]
    outputs = output_fields(model, inputs)
    return keras.tree.map_structure(
        lambda field: _summary(model, field, global_pooling), outputs
    )


def _up_to(model, layer):
    """The part of a model that a layer's output needs."""
    output = layer
    if isinstance(layer, str):
        names = [x.name for x in model.layers]
        if layer not in names:
            raise ValueError(
                f"The model '{model.name}' has no layer of that name; it has "
                f"{', '.join(names)}. Received: layer={layer!r}"
            )
        layer = model.get_layer(layer)
    if isinstance(layer, keras.layers.Layer):
        calls = [call for call in calls_of(model) if call.operation is layer]
        if len(calls) > 1:
            raise ValueError(
                f"The layer '{layer.name}' is used several times in the "
                f"model '{model.name}': give the tensor that is meant. "
                f"Received: layer={layer!r}"
            )
        output = [tensor for call in calls for tensor in call.outputs]
        if isinstance(layer, keras.layers.InputLayer):  # It is called nowhere.
            output = [layer.output]
        output = output[0] if len(output) == 1 else output
    try:
        return keras.Model(model.inputs, output, name=model.name)
    except ValueError as error:
        raise ValueError(
            f"`layer` must be the name of a layer of the model '{model.name}', "
            f"one of its layers or of its tensors. Received: layer={layer!r}"
        ) from error


def _pixels(model, tensor, data_format):
    """The field of the image: each pixel depends on itself."""
    if len(tensor.shape) != 4:
        raise ValueError(
            f"The inputs of the model '{model.name}' must be maps: (batch, "
            "height, width, channels). Received: a model with an input of "
            f"shape {tuple(tensor.shape)}"
        )
    sizes = [tensor.shape[axis] for axis in spatial_axes(data_format)]
    return Field(
        tuple(Intervals(size or UNKNOWN_SIZE) for size in sizes), data_format
    )


def _summary(model, field, global_pooling):
    local = field.is_map and all(side.width > 0 for side in field.sides)
    if not global_pooling and not local:
        raise ValueError(
            f"An output of the model '{model.name}' sees the image through "
            "global pooling or dense layers only. Received: "
            "global_pooling=False"
        )
    whole = field.whole and global_pooling
    if not field.is_map:
        return ReceptiveField(math.inf, None, None)
    return ReceptiveField(
        size=math.inf if whole else _pair(side.width for side in field.sides),
        stride=_pair(side.stride for side in field.sides),
        center=_pair(side.center for side in field.sides) if local else None,
    )


def _pair(numbers):
    height, width = map(_number, numbers)
    return height if height == width else (height, width)


def _number(value):
    """The plainest number that is exactly this one."""
    value = Fraction(value)
    if value.denominator == 1:
        return int(value)
    return float(value) if float(value) == value else value
