"""What the layers see that enlarge maps, or resize them."""

import dataclasses
from fractions import Fraction

from keras import layers

from keras_seg.layers import AlignedScale
from keras_seg.layers import BedOfNails
from keras_seg.layers import BilinearConvTranspose
from keras_seg.layers import BilinearUpsampling
from keras_seg.layers import MaxUnpool
from keras_seg.layers import NearestUpsampling
from keras_seg.layers import ResizeLike
from keras_seg.surgery.reach import Reach
from keras_seg.surgery.seeing import map_of
from keras_seg.surgery.seeing import refuse
from keras_seg.surgery.seeing import see

__all__: list[str] = []


@see.register(layers.Conv2DTranspose)
def _(layer, fields):
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

    return map_of(layer, fields).along(
        spread, layer.kernel_size, layer.dilation_rate, layer.strides, padding
    )


@see.register(BilinearConvTranspose)
def _(layer, fields):
    def spread(side, taps, stride):
        if layer.padding == "valid":
            size = (side.size - 1) * stride + taps
            return side.spread(size, taps, stride=stride)
        before = (taps - stride) // 2
        return side.spread(
            side.size * stride, taps, stride=stride, before=before
        )

    return map_of(layer, fields).along(spread, layer.kernel_size, layer.factor)


@see.register(MaxUnpool)
def _(layer, fields):
    """A window's value may come to lie wherever the window was."""
    x = map_of(layer, fields)
    indices, *reference = fields[1:]
    x = x.along(Reach.join, indices.sides)
    sizes = [
        (side.size - 1) * stride + taps
        for side, taps, stride in zip(
            x.sides, layer.pool_size, layer.strides, strict=True
        )
    ]
    if reference:
        sizes = [side.size for side in reference[0].sides]
    return x.along(
        lambda side, size, taps, stride: side.spread(size, taps, stride=stride),
        sizes,
        layer.pool_size,
        layer.strides,
    )


@see.register(BedOfNails)
def _(layer, fields):
    return map_of(layer, fields).along(
        lambda side, factor: side.spread(side.size * factor, 1, stride=factor),
        layer.factor,
    )


@see.register(layers.UpSampling2D)
def _(layer, fields):
    x = map_of(layer, fields)
    if layer.interpolation == "nearest":
        return x.along(_repeat, layer.size)
    if layer.interpolation != "bilinear":
        refuse(layer, f"its interpolation is {layer.interpolation!r}")
    return x.along(
        lambda side, factor: side.interpolate(
            side.size * factor, Fraction(factor)
        ),
        layer.size,
    )


@see.register(NearestUpsampling)
def _(layer, fields):
    return map_of(layer, fields).along(_repeat, layer.factor)


def _repeat(side, factor):
    return side.spread(side.size * factor, factor, stride=factor)


@see.register(BilinearUpsampling)
def _(layer, fields):
    def enlarge(side, factor):
        size = side.size * factor
        return _interpolate(side, size, Fraction(factor), layer.align_corners)

    return map_of(layer, fields).along(enlarge, layer.factor)


def _interpolate(side, size, factor, align_corners=False):
    corners = 1 if align_corners else 0
    exact = (side.size - corners) * factor == size - corners
    return side.interpolate(size, factor, align_corners, exact)


@see.register(AlignedScale)
def _(layer, fields):
    scale = Fraction(layer.factor).limit_denominator(1000)

    def resize(side):
        size = int((side.size - 1) * scale) + 1
        return _interpolate(side, size, scale, align_corners=True)

    return map_of(layer, fields).along(resize)


@see.register(ResizeLike)
def _(layer, fields):
    """What is resized comes to lie where the reference does."""
    x, reference = fields
    if not reference.is_map:
        refuse(layer, "it resizes to what is no map")
    if not x.is_map:
        # A mean of the map, repeated: nothing of it is local.
        nothing = reference.along(Reach.without_pixels)
        return dataclasses.replace(nothing, whole=True)
    return map_of(layer, fields).along(
        lambda side, like: _interpolate(
            side, like.size, side.stride / like.stride, layer.align_corners
        ),
        reference.sides,
    )
