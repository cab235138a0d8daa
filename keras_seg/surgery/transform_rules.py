"""Rules that carry a layer to a network of another output stride."""

import dataclasses
import functools

import keras
from keras import layers

from keras_seg.crf import CRFAsRNN
from keras_seg.crf import DenseCRF
from keras_seg.layers import ASPP
from keras_seg.layers import BilinearConvTranspose
from keras_seg.layers import CropLike
from keras_seg.layers import CropToSmallest
from keras_seg.layers import PadToMultiple
from keras_seg.layers import PatchMerging
from keras_seg.layers import PatchTokens
from keras_seg.layers import ReducedAttention
from keras_seg.layers import ResizeLike
from keras_seg.layers import RotaryPositions
from keras_seg.layers import TokensToMap
from keras_seg.layers import WindowAttention
from keras_seg.surgery import graph
from keras_seg.surgery import pointwise_rules
from keras_seg.surgery.locality import POOLED
from keras_seg.surgery.locality import why_not

__all__ = ["Map", "Surgery", "carry", "refuse"]

STAGES = (
    "Fix: leave the strides of a hierarchical transformer as they are, such "
    "as output_stride=32"
)


@dataclasses.dataclass(frozen=True)
class Map:
    """A tensor of the new network and its geometry relative to the old one.

    If the old map has `n` positions, the new one has at least
    `(n - 1) · rate + 1` and at most `n · rate`. Every `rate`-th of them equals
    a position of the old map.

    Args:
        tensor: `KerasTensor`, or None.
        stride: int, pixels of the image from one position to the next.
        rate: int, new positions for each position of the old map.
        origin: object that stands for a size.
        shift: pair of ints, the difference of height and width from `origin`.
            Maps with equal origin and shift have equal sizes.
        padded: pair of ints, rows and columns of explicit padding.
        is_map: bool, False after the height and width are pooled.
    """

    tensor: keras.KerasTensor
    stride: int = 1
    rate: int = 1
    origin: object = dataclasses.field(default_factory=object)
    shift: tuple = (0, 0)
    padded: tuple = (0, 0)
    is_map: bool = True

    @property
    def size(self):
        return self.origin, self.shift

    def longer_by(self, rows, columns):
        return (self.shift[0] + rows, self.shift[1] + columns)


class Surgery:
    """The state of one removal of strides.

    Args:
        output_stride: int, the largest stride of the new maps.
        data_format: `"channels_last"` or `"channels_first"`.
        verify: bool, whether the new network will be verified.

    Attributes:
        reached: dict from the id of an old tensor to its `Map`.
        changed: list of the layers whose output differs from the old one.
    """

    def __init__(self, output_stride, data_format, verify=True):
        self.verify = verify
        self.output_stride = output_stride
        self.data_format = data_format
        self.copier = graph.Copier()
        self.largest_stride = 1
        self.inner: dict = {}
        self.reached = {}
        self.changed = []

    def call(self, operation, *args, **kwargs):
        maps = graph.values_of(Map, args, kwargs)
        is_map = any(x.is_map for x in maps)
        if (
            is_map
            and graph.has_own_call(operation)
            and not self.verify
            and pointwise_rules.reach(operation, self.data_format) is None
        ):
            refuse(
                operation,
                "it has a `call` of its own, which only `verify=True` shows "
                "to be that of the class it extends",
            )
        if is_map:
            result = carry(operation, self, maps, args, kwargs)
        else:
            result = self.apply(self.copier.copy(operation), args, kwargs)
        for x in keras.tree.flatten(result):
            self.largest_stride = max(self.largest_stride, x.stride * x.rate)
        return result

    def apply(self, layer, args, kwargs, **changes):
        """Calls a layer on the tensors of maps.

        Its output has the geometry of the first map, with `changes`.
        """
        first = graph.values_of(Map, args, kwargs)[0]
        args, kwargs = graph.tensors(args, kwargs)
        return keras.tree.map_structure(
            lambda tensor: dataclasses.replace(first, tensor=tensor, **changes),
            layer(*args, **kwargs),
        )


def refuse(layer, reason):
    """Raises the error for a layer without a rule."""
    raise ValueError(
        f"The layer '{layer.name}' ({type(layer).__name__}) can't be carried "
        f"to another output stride: {reason}."
    )


_NO_RULE = "it is neither a convolution, a pooling, a padding nor pointwise"


@functools.singledispatch
def carry(layer, surgery, maps, args, kwargs):
    """Carries one layer to the new network; a rule for each kind of layer.

    Args:
        layer: the layer or operation of the old network.
        surgery: `Surgery`.
        maps: list of the `Map`s among the arguments.
        args: tuple, the positional arguments it was called with.
        kwargs: dict, the keyword arguments.

    Returns:
        The `Map`, or a structure of them, that stands for its output.
    """
    reach = pointwise_rules.reach(layer, surgery.data_format)
    if reach is None:
        seen = why_not(layer, surgery.data_format)
        refuse(layer, f"{_NO_RULE}; {seen}" if seen else _NO_RULE)
    places = [x for x in maps if x.is_map]
    first = places[0]
    if len({(x.stride, x.rate) for x in places}) > 1:
        refuse(layer, "the maps it joins have lost different strides")
    if first.rate > 1 and len({x.size for x in places}) > 1:
        args, kwargs, first = _crop_alike(layer, surgery, args, kwargs)
    place = dataclasses.replace(first, tensor=None)
    result = surgery.apply(surgery.copier.copy(layer), args, kwargs)
    place = dataclasses.replace(place, is_map=reach != POOLED)
    return keras.tree.map_structure(
        lambda x: dataclasses.replace(place, tensor=x.tensor), result
    )


def _crop_alike(layer, surgery, args, kwargs):
    """Crops the maps among the arguments to the smallest of them."""
    flat = keras.tree.flatten((args, kwargs))
    places = [i for i, x in enumerate(flat) if isinstance(x, Map) and x.is_map]
    maps = [flat[i] for i in places]
    crop = CropToSmallest(
        data_format=surgery.data_format, name=f"{layer.name}_atrous_crop"
    )
    cropped = surgery.apply(crop, (maps,), {}, origin=object())
    for i, x in zip(places, cropped, strict=True):
        flat[i] = x
    args, kwargs = keras.tree.pack_sequence_as((args, kwargs), flat)
    return args, kwargs, flat[places[0]]


@carry.register(keras.Model)
def _(model, surgery, maps, args, kwargs):
    if len(maps) != 1 or len(model.inputs) != 1 or len(model.outputs) != 1:
        refuse(model, "an inner model must have one input and one output")
    (x,) = maps
    place = x.stride, x.rate
    if model in surgery.inner:
        # An encoder of two images: one copy of it, called twice as well.
        before, dense, last = surgery.inner[model]
        if before != place:
            refuse(model, "it is used twice, on maps of different strides")
        last = dataclasses.replace(last, origin=object(), shift=(0, 0))
        result = surgery.apply(dense, args, kwargs)
        return dataclasses.replace(last, tensor=result.tensor)
    inner = Surgery(surgery.output_stride, surgery.data_format, surgery.verify)
    inner.reached, inner.changed = surgery.reached, surgery.changed
    reached = []

    def start(tensor):
        return dataclasses.replace(x, tensor=tensor)

    def call(operation, *inner_args, **inner_kwargs):
        result = inner.call(operation, *inner_args, **inner_kwargs)
        reached.append(result)
        return result

    dense = graph.rebuild(
        model, start, call, inner.copier, reached=surgery.reached
    )
    last = next(y for y in reached if y.tensor is dense.outputs[0])
    surgery.largest_stride = max(surgery.largest_stride, inner.largest_stride)
    surgery.inner[model] = place, dense, last
    result = surgery.apply(dense, args, kwargs)
    return dataclasses.replace(last, tensor=result.tensor)


@carry.register(ASPP)
def _(layer, surgery, maps, args, kwargs):
    """Multiplies its rates. Its image pooling is over the dense map."""
    (x,) = maps
    if x.rate > 1 and layer.version == "v3":
        surgery.changed.append(layer)
    rates = tuple(rate * x.rate for rate in layer.atrous_rates)
    copy = surgery.copier.copy(layer, atrous_rates=rates)
    return surgery.apply(copy, args, kwargs)


@carry.register(ResizeLike)
def _(layer, surgery, maps, args, kwargs):
    """The output takes the position and stride of the reference map."""
    x, reference = maps
    if x.rate > reference.rate:
        surgery.changed.append(layer)
    result = surgery.apply(surgery.copier.copy(layer), args, kwargs)
    return dataclasses.replace(reference, tensor=result.tensor)


@carry.register(BilinearConvTranspose)
def _(layer, surgery, maps, args, kwargs):
    refuse(
        layer,
        "its kernel is made for the stride of its map; upsampling='bilinear' "
        "of the FCN builders resizes maps of every stride",
    )


@carry.register(CRFAsRNN)
@carry.register(CropLike)
@carry.register(DenseCRF)
@carry.register(PadToMultiple)
def _(layer, surgery, maps, args, kwargs):
    if any(x.rate > 1 for x in maps):
        refuse(layer, "its map has lost a stride")
    return surgery.apply(
        surgery.copier.copy(layer),
        args,
        kwargs,
        origin=object(),
        shift=(0, 0),
    )


@carry.register(ReducedAttention)
@carry.register(WindowAttention)
def _(layer, surgery, maps, args, kwargs):
    if any(x.rate > 1 for x in maps):
        refuse(
            layer,
            "a stride in front of it would be removed, and attention can't be "
            f"spread like a convolution. {STAGES}",
        )
    return surgery.apply(surgery.copier.copy(layer), args, kwargs)


@carry.register(PatchMerging)
def _(layer, surgery, maps, args, kwargs):
    (x,) = maps
    stride = 2 * x.stride
    if x.rate > 1 or stride > surgery.output_stride:
        refuse(
            layer,
            "the attention behind it can't be spread like a convolution. "
            f"{STAGES}",
        )
    copy = surgery.copier.copy(layer)
    size = {"origin": object(), "shift": (0, 0), "padded": (0, 0)}
    return surgery.apply(copy, args, kwargs, stride=stride, **size)


@carry.register(PatchTokens)
def _(layer, surgery, maps, args, kwargs):
    """Takes the tokens of shifted images, too."""
    (x,) = maps
    if x.stride * x.rate > 1:
        refuse(layer, "it stands behind a stride")
    stride = layer.stride // layer.grids
    rate = next(
        n
        for n in range(1, stride + 1)
        if stride % n == 0 and stride // n <= surgery.output_stride
    )
    copy = surgery.copier.copy(layer, grids=layer.grids * rate)
    return surgery.apply(
        copy, args, kwargs, stride=stride // rate, rate=rate, is_map=False
    )


@carry.register(RotaryPositions)
def _(layer, surgery, maps, args, kwargs):
    copy = surgery.copier.copy(layer)
    return surgery.apply(copy, args, kwargs, is_map=False)


@carry.register(TokensToMap)
def _(layer, surgery, maps, args, kwargs):
    """Interleaves the maps of the shifted images."""
    tokens, _ = maps
    copy = surgery.copier.copy(layer, grids=layer.grids * tokens.rate)
    return surgery.apply(
        copy, args, kwargs, is_map=True, origin=object(), shift=(0, 0)
    )


@carry.register(layers.Permute)
def _(layer, surgery, maps, args, kwargs):
    """Only for the logits of a channels-first network, moved to the end."""
    (x,) = maps
    if x.rate > 1 or tuple(layer.dims) != (2, 3, 1):
        refuse(layer, _NO_RULE)
    copy = surgery.copier.copy(layer)
    return surgery.apply(copy, args, kwargs, is_map=False)
