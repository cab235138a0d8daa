"""Receptive field of a layer's output, computed from that of its input."""

import dataclasses
import functools
from fractions import Fraction

import keras
from keras import layers

from keras_seg.fast.atrous import atrous_padding
from keras_seg.keras_private import run_through_graph
from keras_seg.layers import ASPP
from keras_seg.layers import AlignedScale
from keras_seg.layers import AtrousAveragePool
from keras_seg.layers import AtrousConv
from keras_seg.layers import AtrousMaxPool
from keras_seg.layers import BedOfNails
from keras_seg.layers import BilinearConvTranspose
from keras_seg.layers import BilinearUpsampling
from keras_seg.layers import CropLike
from keras_seg.layers import CropToSmallest
from keras_seg.layers import MaxPoolWithIndices
from keras_seg.layers import MaxUnpool
from keras_seg.layers import NearestUpsampling
from keras_seg.layers import PadToMultiple
from keras_seg.layers import ReflectionPadding
from keras_seg.layers import RemovedStridePadding
from keras_seg.layers import ResizeLike
from keras_seg.surgery import graph
from keras_seg.surgery import locality
from keras_seg.surgery import pointwise_rules
from keras_seg.surgery.intervals import Field
from keras_seg.surgery.intervals import Intervals

__all__ = ["output_fields"]

WHOLE = Field((), "channels_last", True)


def output_fields(model, fields):
    """Computes the fields of a functional model's outputs.

    Args:
        model: functional `keras.Model`.
        fields: list of `Field`, one for each input.

    Returns:
        The `Field`s of the outputs, in their structure.

    Raises:
        ValueError: If there is no rule for a layer. The message names it.
    """
    return run_through_graph(graph.functional(model), fields, _call)


def _call(operation, *args, **kwargs):
    fields = graph.values_of(Field, args, kwargs)
    is_map = any(x.is_map for x in fields)
    if is_map and graph.has_own_call(operation):
        data_format = next(x.data_format for x in fields if x.is_map)
        if pointwise_rules.reach(operation, data_format) is None:
            _refuse(operation, "it has a `call` of its own")
    made = _field(operation, fields) if is_map else WHOLE
    if isinstance(made, Field):
        return keras.tree.map_structure(lambda _: made, operation.output)
    return made


def _refuse(layer, reason):
    raise ValueError(
        f"What the layer '{layer.name}' ({type(layer).__name__}) sees of the "
        f"image can't be told: {reason}."
    )


@functools.singledispatch
def _field(layer, fields):
    """Returns the field of a layer's output; a rule for each kind of layer.

    Args:
        layer: a layer, or an operation such as `+`.
        fields: list of the `Field`s of its inputs, a map among them.

    Returns:
        The `Field` of its output, or a structure of them.
    """
    maps = [x for x in fields if x.is_map]
    first = maps[0]
    reach = pointwise_rules.reach(layer, first.data_format)
    if reach is None:
        _refuse(layer, "it is no kind of layer whose window is known")
    if reach == locality.POOLED:
        return WHOLE
    for x in maps[1:]:
        one, other = (
            " × ".join(str(side.stride) for side in y.sides) for y in (first, x)
        )
        if one != other:
            _refuse(layer, f"it joins maps of strides {one} and {other}")
        first = first.along(Intervals.join, x.sides)
    whole = reach == locality.WHOLE or any(x.whole for x in fields)
    return dataclasses.replace(first, whole=whole)


@_field.register
def _(model: keras.Model, fields):
    return output_fields(model, fields)


@_field.register
def _(layer: layers.Flatten, fields):
    return WHOLE


@_field.register
def _(layer: layers.Permute, fields):
    (x,) = fields
    formats = {
        ("channels_first", (2, 3, 1)): "channels_last",
        ("channels_last", (3, 1, 2)): "channels_first",
    }
    data_format = formats.get((x.data_format, tuple(layer.dims)))
    if data_format is None:
        _refuse(layer, "it does more than move the channels")
    return dataclasses.replace(x, data_format=data_format)


def _map(layer, fields):
    """The map that a layer is applied to, which must have its data format."""
    x = fields[0]
    if layer.data_format != x.data_format:
        _refuse(
            layer,
            f"its data format is {layer.data_format!r}, that of its maps "
            f"{x.data_format!r}",
        )
    return x


def _shape(layer, x):
    """The shape of a map, for a layer of this package."""
    return layer.with_spatial_shape([None] * 4, *(y.size for y in x.sides))


def _output_sizes(layer, shape):
    return [shape[axis] for axis in layer.spatial_axes]


# Windows, padding and crops.


@_field.register
def _(
    layer: layers.Conv2D | layers.DepthwiseConv2D | layers.SeparableConv2D,
    fields,
):
    return _map(layer, fields).along(
        lambda side, *window: side.slide(layer.padding, *window),
        layer.kernel_size,
        layer.strides,
        layer.dilation_rate,
    )


@_field.register
def _(layer: layers.MaxPooling2D | layers.AveragePooling2D, fields):
    return _map(layer, fields).along(
        lambda side, *window: side.slide(layer.padding, *window),
        layer.pool_size,
        layer.strides,
    )


@_field.register
def _(layer: MaxPoolWithIndices, fields):
    x = _map(layer, fields)
    shape, _ = layer.compute_output_shape(_shape(layer, x))
    pooled = x.along(
        lambda side, *window: side.slide("valid", *window),
        layer.pool_size,
        layer.strides,
    )
    return pooled.resized(_output_sizes(layer, shape))


def _pad(x, pads, taps=(1, 1), rate=1):
    """Slides a window, moving by 1, over a map padded by `pads`."""
    return x.along(
        lambda side, pad, taps: side.window(taps, rate, 1, *pad), pads, taps
    )


@_field.register
def _(layer: AtrousConv, fields):
    pads = atrous_padding(layer.kernel_size, layer.dilation_rate, layer.padding)
    return _pad(
        _map(layer, fields), pads, layer.kernel_size, layer.dilation_rate
    )


@_field.register
def _(layer: AtrousMaxPool | AtrousAveragePool, fields):
    x = _map(layer, fields)
    pads = layer.pads(_shape(layer, x))
    return _pad(x, pads, layer.pool_size, layer.dilation_rate)


@_field.register
def _(layer: RemovedStridePadding, fields):
    x = _map(layer, fields)
    return _pad(x, layer.pads(_shape(layer, x)))


@_field.register
def _(layer: ReflectionPadding | layers.ZeroPadding2D, fields):
    return _pad(_map(layer, fields), layer.padding)


@_field.register
def _(layer: layers.Cropping2D, fields):
    crops = [(-before, -after) for before, after in layer.cropping]
    return _pad(_map(layer, fields), crops)


@_field.register
def _(layer: ASPP, fields):
    """Joins its 3×3 branches. The image pooling of v3 sees the whole map."""
    x = _map(layer, fields)

    def join(side):
        branches = [side.window(3, n, 1, n, n) for n in layer.atrous_rates]
        return functools.reduce(Intervals.join, branches)

    whole = x.whole or layer.version == "v3"
    return dataclasses.replace(x.along(join), whole=whole)


@_field.register
def _(layer: PadToMultiple, fields):
    x = _map(layer, fields)
    shape = layer.compute_output_shape(_shape(layer, x))
    return x.resized(_output_sizes(layer, shape))


@_field.register
def _(layer: CropLike, fields):
    x, reference = _map(layer, fields), fields[1]
    if not reference.is_map:
        _refuse(layer, "it crops to what is no map")
    cropped = x.along(lambda side: side.window(before=-layer.offset))
    return cropped.resized([side.size for side in reference.sides])


@_field.register
def _(layer: CropToSmallest, fields):
    sides = zip(*(x.sides for x in fields), strict=True)
    sizes = [min(side.size for side in pair) for pair in sides]
    return [x.resized(sizes) for x in fields]


# Enlargements.


@_field.register
def _(layer: layers.Conv2DTranspose, fields):
    padding = layer.output_padding
    if padding is None or isinstance(padding, int):
        padding = (padding, padding)

    def spread(side, taps, rate, stride, more):
        extent = (taps - 1) * rate + 1
        if layer.padding == "valid":
            more = max(stride - extent, 0) if more is None else more
            size = (side.size - 1) * stride + extent + more
            return side.spread(size, taps, rate, stride)
        if more is None:
            more = stride - extent % 2
        size = (side.size - 1) * stride + extent % 2 + more
        # Keras crops the larger half at the end.
        before = max((extent - extent % 2 - more) // 2, 0)
        return side.spread(size, taps, rate, stride, before)

    return _map(layer, fields).along(
        spread, layer.kernel_size, layer.dilation_rate, layer.strides, padding
    )


@_field.register
def _(layer: BilinearConvTranspose, fields):
    def spread(side, taps, stride):
        size, before = side.size * stride, (taps - stride) // 2
        if layer.padding == "valid":
            size, before = size - stride + taps, 0
        return side.spread(size, taps, stride=stride, before=before)

    return _map(layer, fields).along(spread, layer.kernel_size, layer.factor)


@_field.register
def _(layer: MaxUnpool, fields):
    """A value can be put back anywhere in its window."""
    x = _map(layer, fields)
    indices, *reference = fields[1:]

    def spread(side, other, taps, stride):
        size = (side.size - 1) * stride + taps
        return side.join(other).spread(size, taps, stride=stride)

    x = x.along(spread, indices.sides, layer.pool_size, layer.strides)
    if reference:
        x = x.resized([side.size for side in reference[0].sides])
    return x


def _spread(x, factors, taps):
    return x.along(
        lambda side, factor, taps: side.spread(
            side.size * factor, taps, stride=factor
        ),
        factors,
        taps,
    )


@_field.register
def _(layer: BedOfNails, fields):
    return _spread(_map(layer, fields), layer.factor, (1, 1))


@_field.register
def _(layer: NearestUpsampling, fields):
    return _spread(_map(layer, fields), layer.factor, layer.factor)


def _enlarge(x, factors, align_corners=False):
    """Enlarges a map by bilinear interpolation."""
    return x.along(
        lambda side, factor: side.interpolate(
            side.size * factor, factor, align_corners
        ),
        factors,
    )


@_field.register
def _(layer: layers.UpSampling2D, fields):
    x = _map(layer, fields)
    if layer.interpolation == "nearest":
        return _spread(x, layer.size, layer.size)
    if layer.interpolation != "bilinear":
        _refuse(layer, f"its interpolation is {layer.interpolation!r}")
    return _enlarge(x, layer.size)


@_field.register
def _(layer: BilinearUpsampling, fields):
    return _enlarge(_map(layer, fields), layer.factor, layer.align_corners)


@_field.register
def _(layer: AlignedScale, fields):
    scale = Fraction(layer.factor).limit_denominator(1000)
    return _map(layer, fields).along(
        lambda side: side.interpolate(
            int((side.size - 1) * scale) + 1, scale, align_corners=True
        )
    )


@_field.register
def _(layer: ResizeLike, fields):
    """The output takes the position and stride of the reference map."""
    x, reference = fields
    if not reference.is_map:
        _refuse(layer, "it resizes to what is no map")
    if not x.is_map:
        # A mean over the map, repeated, depends on no pixel in particular.
        nothing = reference.along(Intervals.without_pixels)
        return dataclasses.replace(nothing, whole=True)
    return _map(layer, fields).along(
        lambda side, like: side.interpolate(
            like.size, side.stride / like.stride, layer.align_corners
        ),
        reference.sides,
    )
