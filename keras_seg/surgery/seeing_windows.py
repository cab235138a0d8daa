"""What the layers see that slide a window, and paddings and crops."""

import dataclasses
import functools

from keras import layers

from keras_seg.fast.atrous import atrous_padding
from keras_seg.layers import ASPP
from keras_seg.layers import AtrousAveragePool
from keras_seg.layers import AtrousConv
from keras_seg.layers import AtrousMaxPool
from keras_seg.layers import CropLike
from keras_seg.layers import CropToSmallest
from keras_seg.layers import MaxPoolWithIndices
from keras_seg.layers import PadToMultiple
from keras_seg.layers import ReflectionPadding
from keras_seg.layers import RemovedStridePadding
from keras_seg.surgery.reach import Reach
from keras_seg.surgery.seeing import map_of
from keras_seg.surgery.seeing import refuse
from keras_seg.surgery.seeing import see

__all__: list[str] = []


def _slide(side, taps, rate, stride, padding):
    if padding != "same":
        return side.window(taps, rate, stride)
    # The smaller half goes first: of a stride, parity decides.
    positions = -(-side.size // stride)
    needed = (positions - 1) * stride + (taps - 1) * rate + 1
    total = max(needed - side.size, 0)
    return side.window(taps, rate, stride, total // 2, total - total // 2)


@see.register(layers.Conv2D)
@see.register(layers.DepthwiseConv2D)
@see.register(layers.SeparableConv2D)
def _(layer, fields):
    return map_of(layer, fields).along(
        lambda side, taps, rate, stride: _slide(
            side, taps, rate, stride, layer.padding
        ),
        layer.kernel_size,
        layer.dilation_rate,
        layer.strides,
    )


@see.register(layers.MaxPooling2D)
@see.register(layers.AveragePooling2D)
def _(layer, fields):
    return map_of(layer, fields).along(
        lambda side, taps, stride: _slide(side, taps, 1, stride, layer.padding),
        layer.pool_size,
        layer.strides,
    )


@see.register(MaxPoolWithIndices)
def _(layer, fields):
    x = map_of(layer, fields)
    shape, _ = layer.compute_output_shape(_shape(layer, x))
    pooled = x.along(
        lambda side, taps, stride: side.window(taps, stride=stride),
        layer.pool_size,
        layer.strides,
    )
    return _resized(pooled, [shape[axis] for axis in layer.spatial_axes])


@see.register(AtrousConv)
def _(layer, fields):
    pads = atrous_padding(layer.kernel_size, layer.dilation_rate, layer.padding)
    return map_of(layer, fields).along(
        lambda side, taps, pad: side.window(taps, layer.dilation_rate, 1, *pad),
        layer.kernel_size,
        pads,
    )


@see.register(ASPP)
def _(layer, fields):
    """Branches of 3×3 taps; v3's 1×1 sees no more, and its mean the whole."""
    x = map_of(layer, fields)

    def look(side):
        branches = [side.window(3, n, 1, n, n) for n in layer.atrous_rates]
        return functools.reduce(Reach.join, branches)

    whole = x.whole or layer.version == "v3"
    return dataclasses.replace(x.along(look), whole=whole)


def _shape(layer, x):
    """The shape of a map, for a layer of ours."""
    return layer.with_spatial_shape([None] * 4, *(y.size for y in x.sides))


@see.register(RemovedStridePadding)
def _(layer, fields):
    x = map_of(layer, fields)
    pads = layer.pads(_shape(layer, x))
    return x.along(lambda side, pad: side.window(1, 1, 1, *pad), pads)


@see.register(AtrousMaxPool)
@see.register(AtrousAveragePool)
def _(layer, fields):
    x = map_of(layer, fields)
    return x.along(
        lambda side, taps, pad: side.window(taps, layer.dilation_rate, 1, *pad),
        layer.pool_size,
        layer.pads(_shape(layer, x)),
    )


@see.register(ReflectionPadding)
@see.register(layers.ZeroPadding2D)
def _(layer, fields):
    return map_of(layer, fields).along(
        lambda side, pad: side.window(1, 1, 1, *pad), layer.padding
    )


@see.register(layers.Cropping2D)
def _(layer, fields):
    return map_of(layer, fields).along(
        lambda side, crop: side.window(1, 1, 1, -crop[0], -crop[1]),
        layer.cropping,
    )


@see.register(PadToMultiple)
def _(layer, fields):
    x = map_of(layer, fields)
    shape = layer.compute_output_shape(_shape(layer, x))
    return _resized(x, [shape[axis] for axis in layer.spatial_axes])


@see.register(CropLike)
def _(layer, fields):
    x, reference = map_of(layer, fields), fields[1]
    if not reference.is_map:
        refuse(layer, "it crops to what is no map")
    cropped = x.along(lambda side: side.window(1, before=-layer.offset))
    return _resized(cropped, [side.size for side in reference.sides])


@see.register(CropToSmallest)
def _(layer, fields):
    sides = zip(*(x.sides for x in fields), strict=True)
    sizes = [min(side.size for side in pair) for pair in sides]
    return [_resized(x, sizes) for x in fields]


def _resized(x, sizes):
    """Another number of positions at the end: the others see what they saw."""
    return x.along(
        lambda side, size: dataclasses.replace(side, size=size), sizes
    )
