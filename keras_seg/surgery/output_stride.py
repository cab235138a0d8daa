"""Removing strides: the hole algorithm, for any functional model."""

import dataclasses
import functools

import keras
from keras import layers

from keras_seg.layers import AtrousAveragePool
from keras_seg.layers import AtrousMaxPool
from keras_seg.layers import CropToSmallest
from keras_seg.layers import RemovedStridePadding
from keras_seg.layers.removed_stride import RemovedStride
from keras_seg.surgery import graph
from keras_seg.surgery import pointwise

__all__ = ["set_output_stride"]

OUTPUT_STRIDES = (1, 2, 4, 8, 16, 32)


def set_output_stride(model, output_stride, *, input_tensor=None):
    """Rebuilds a network so that its maps are denser, with its own weights.

    Strides that would take the maps beyond `output_stride` are removed; the
    layers behind them work with holes instead ("à trous"), the pools too. The
    network computes what it computed before, at more places: where the old
    network had a stride of `s`, and `k = s / output_stride`,

        dense_map[:, ::k, ::k] == old_map

    to rounding, at every size, odd or even. Convolutions (depthwise and
    separable too), pooling, zero padding, cropping and everything pointwise
    are carried. Means over the whole map, in squeeze-and-excite blocks and
    group normalization, are taken over the dense map, so these networks
    differ slightly from the strided ones: by 0.1 to 0.5 % of the largest
    value for the EfficientNets and MobileNetV3.

    Source: the hole algorithm of
    [DeepLab](https://arxiv.org/abs/1412.7062), section 3.1.

    Args:
        model: functional `keras.Model`, its input of a fixed size or any.
        output_stride: int, one of 1, 2, 4, 8, 16, 32.
        input_tensor: tensor `(batch, height, width, channels)` to build
            upon. Defaults to a new input of any size.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names and the weights of `model`.

    Raises:
        ValueError: for another output stride, or one above the model's own;
            for a layer that can't be carried, by name.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.MobileNetV2(
    ...     input_shape=(64, 64, 3), include_top=False, weights=None)
    >>> dense = keras_seg.surgery.set_output_stride(model, 8)
    >>> dense.compute_output_shape((1, 64, 96, 3))
    (1, 8, 12, 1280)
    """
    if output_stride not in OUTPUT_STRIDES or isinstance(output_stride, bool):
        raise ValueError(
            f"`output_stride` must be one of {OUTPUT_STRIDES}. "
            f"Received: output_stride={output_stride!r}"
        )
    model = graph.functional(model)
    surgery = _Surgery(output_stride, graph.data_format_of(model))
    dense = graph.rebuild(
        model, Map, surgery.call, surgery.copier, input_tensor
    )
    if surgery.largest_stride < output_stride:
        raise ValueError(
            f"The output stride of '{model.name}' is "
            f"{surgery.largest_stride}: strides can be removed, not added. "
            f"Received: output_stride={output_stride}"
        )
    return dense


@dataclasses.dataclass(frozen=True)
class Map:
    """A tensor of the new network, and how it lies over the old one's.

    Where the old map has n positions, the new one has at least
    `(n - 1) · rate + 1` and at most `n · rate`, and every `rate`-th of them
    is the old one's.

    Attributes:
        tensor: `KerasTensor`, or None for a value without a place.
        stride: int, pixels of the image for a position.
        rate: int, positions for each position of the old map.
        origin: object that maps of one history share.
        shift: pair of ints, by how much the height and the width differ
            from those that the origin stands for. Maps of equal origin and
            shift have equal sizes.
        padded: pair of ints, rows and columns that are explicit padding.
        is_map: bool, False once the height and width are pooled away.
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


class _Surgery:
    def __init__(self, output_stride, data_format):
        self.output_stride = output_stride
        self.data_format = data_format
        self.copier = graph.Copier()
        self.largest_stride = 1

    def call(self, operation, *args, **kwargs):
        maps = [
            value
            for value in keras.tree.flatten((args, kwargs))
            if isinstance(value, Map)
        ]
        if any(x.is_map for x in maps):
            result = carry(operation, self, maps, args, kwargs)
        else:
            result = self.apply(self.copier.copy(operation), args, kwargs)
        for x in keras.tree.flatten(result):
            self.largest_stride = max(self.largest_stride, x.stride * x.rate)
        return result

    def apply(self, layer, args, kwargs, **changes):
        """Calls a layer on the tensors of maps; `changes` says what it did."""
        first = next(
            value
            for value in keras.tree.flatten((args, kwargs))
            if isinstance(value, Map)
        )
        args, kwargs = keras.tree.map_structure(
            lambda value: value.tensor if isinstance(value, Map) else value,
            (args, kwargs),
        )
        return keras.tree.map_structure(
            lambda tensor: dataclasses.replace(first, tensor=tensor, **changes),
            layer(*args, **kwargs),
        )


def refuse(layer, reason):
    """Raises the error for a layer that can't be carried."""
    raise ValueError(
        f"The layer '{layer.name}' ({type(layer).__name__}) can't be carried "
        f"to another output stride: {reason}."
    )


@functools.singledispatch
def carry(layer, surgery, maps, args, kwargs):
    """Carries one layer to the new network; a rule for each kind of layer.

    Args:
        layer: the layer or operation of the old network.
        surgery: what is being done: output stride, data format, copier.
        maps: list of the `Map`s among the arguments.
        args: tuple, the positional arguments it was called with.
        kwargs: dict, the keyword arguments.

    Returns:
        The `Map`, or a structure of them, that stands for its output.
    """
    if not pointwise.is_pointwise(layer, surgery.data_format):
        refuse(
            layer,
            "it is neither a convolution, a pooling, a padding nor pointwise",
        )
    places = [x for x in maps if x.is_map]
    first = places[0]
    if len({(x.stride, x.rate) for x in places}) > 1:
        refuse(layer, "the maps it joins have lost different strides")
    if first.rate > 1 and len({x.size for x in places}) > 1:
        args, kwargs, first = _crop_alike(layer, surgery, args, kwargs)
    place = dataclasses.replace(first, tensor=None)
    result = surgery.apply(surgery.copier.copy(layer), args, kwargs)
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


@carry.register(layers.Conv2D)
@carry.register(layers.DepthwiseConv2D)
@carry.register(layers.SeparableConv2D)
def _(layer, surgery, maps, args, kwargs):
    (x,) = maps
    kernel_size = tuple(
        (size - 1) * rate + 1
        for size, rate in zip(
            layer.kernel_size, layer.dilation_rate, strict=True
        )
    )
    window = _Window(layer, surgery, x, kernel_size)
    if window.unchanged:
        return window.apply_unchanged(args, kwargs)
    padding = layer.padding
    if window.must_pad:
        pad = RemovedStridePadding(
            name=f"{layer.name}_atrous_pad",
            kernel_size=kernel_size,
            padding=padding,
            **window.geometry,
        )
        x = surgery.apply(pad, (x,), {})
        padding = "valid"
    copy = surgery.copier.copy(
        layer,
        strides=(1, 1),
        padding=padding,
        dilation_rate=tuple(
            rate * x.rate if size > 1 else 1
            for size, rate in zip(
                layer.kernel_size, layer.dilation_rate, strict=True
            )
        ),
    )
    return window.finish(surgery.apply(copy, (x,), kwargs))


@carry.register(layers.MaxPooling2D)
@carry.register(layers.AveragePooling2D)
def _(layer, surgery, maps, args, kwargs):
    (x,) = maps
    window = _Window(layer, surgery, x, tuple(layer.pool_size))
    if window.unchanged:
        return window.apply_unchanged(args, kwargs)
    if tuple(layer.pool_size) == (1, 1):
        return window.finish(x)
    is_max = isinstance(layer, layers.MaxPooling2D)
    pool = surgery.copier.copy(
        layer,
        AtrousMaxPool if is_max else AtrousAveragePool,
        name=layer.name,
        pool_size=tuple(layer.pool_size),
        padding=layer.padding,
        dtype=layer.dtype_policy,
        **window.geometry,
    )
    return window.finish(surgery.apply(pool, (x,), {}))


class _Window:
    """A layer that slides a window over a map, with or without a stride."""

    def __init__(self, layer, surgery, x, kernel_size):
        strides = set(layer.strides)
        if len(strides) > 1:
            refuse(layer, f"its strides differ: strides={layer.strides}")
        self.layer, self.surgery, self.x = layer, surgery, x
        self.kernel_size = kernel_size
        self.stride = strides.pop()
        self.kept = x.stride * self.stride <= surgery.output_stride
        self.unchanged = x.rate == 1 and self.kept
        self.geometry = {
            "removed_stride": self.stride,
            "rate": x.rate,
            "padded": x.padded,
            "data_format": surgery.data_format,
        }

    @property
    def must_pad(self):
        """Whether the padding is not what the layer itself can do."""
        if self.layer.padding == "same":
            even = any(size % 2 == 0 for size in self.kernel_size)
            return self.kernel_size != (1, 1) and (self.stride > 1 or even)
        return self.stride > 1 and any(
            padded < (size - 1) * self.x.rate
            for padded, size in zip(
                self.x.padded, self.kernel_size, strict=True
            )
        )

    def apply_unchanged(self, args, kwargs):
        return self.surgery.apply(
            self.surgery.copier.copy(self.layer),
            args,
            kwargs,
            stride=self.x.stride * self.stride,
            **self._size(),
        )

    def finish(self, dense):
        """What stands for the layer's output, given its map at stride 1."""
        dense = dataclasses.replace(dense, **self._size())
        if not self.kept:
            return dataclasses.replace(dense, rate=dense.rate * self.stride)
        if self.stride == 1:
            return dense
        take = layers.MaxPooling2D(
            1,
            strides=self.stride,
            data_format=self.surgery.data_format,
            name=f"{self.layer.name}_atrous_stride",
        )
        return self.surgery.apply(
            take, (dense,), {}, stride=dense.stride * self.stride
        )

    def _size(self):
        """What changes in the size of the map."""
        size: dict[str, object] = {"padded": (0, 0)}
        if self.stride > 1 and (self.kept or self.must_pad):
            size["origin"] = object()
        if self.layer.padding == "valid":
            size["shift"] = self.x.longer_by(
                *((1 - n) * self.x.rate for n in self.kernel_size)
            )
        return size


@carry.register(layers.ZeroPadding2D)
def _(layer, surgery, maps, args, kwargs):
    (x,) = maps
    padding = tuple(
        tuple(amount * x.rate for amount in pair) for pair in layer.padding
    )
    copy = surgery.copier.copy(layer, padding=padding)
    added = tuple(map(sum, padding))
    return surgery.apply(
        copy,
        args,
        kwargs,
        shift=x.longer_by(*added),
        padded=tuple(map(sum, zip(x.padded, added, strict=True))),
    )


@carry.register(RemovedStride)
def _(layer, surgery, maps, args, kwargs):
    """A layer whose stride an earlier surgery removed."""
    (x,) = maps
    copy = surgery.copier.copy(
        layer,
        rate=layer.rate * x.rate,
        padded=tuple(amount * x.rate for amount in layer.padded),
    )
    return surgery.apply(copy, args, kwargs, origin=object(), padded=(0, 0))


@carry.register(layers.Cropping2D)
def _(layer, surgery, maps, args, kwargs):
    (x,) = maps
    cropping = tuple(
        tuple(amount * x.rate for amount in pair) for pair in layer.cropping
    )
    copy = surgery.copier.copy(layer, cropping=cropping)
    shift = x.longer_by(*(-sum(pair) for pair in cropping))
    return surgery.apply(copy, args, kwargs, shift=shift)


@carry.register(layers.GlobalAveragePooling2D)
@carry.register(layers.GlobalMaxPooling2D)
def _(layer, surgery, maps, args, kwargs):
    copy = surgery.copier.copy(layer)
    return surgery.apply(copy, args, kwargs, is_map=False)


@carry.register(keras.Model)
def _(model, surgery, maps, args, kwargs):
    if len(maps) != 1 or len(model.inputs) != 1 or len(model.outputs) != 1:
        refuse(model, "an inner model must have one input and one output")
    (x,) = maps
    inner = _Surgery(surgery.output_stride, surgery.data_format)
    reached = []

    def start(tensor):
        return dataclasses.replace(x, tensor=tensor)

    def call(operation, *inner_args, **inner_kwargs):
        result = inner.call(operation, *inner_args, **inner_kwargs)
        reached.append(result)
        return result

    dense = graph.rebuild(model, start, call, inner.copier)
    last = next(y for y in reached if y.tensor is dense.outputs[0])
    surgery.largest_stride = max(surgery.largest_stride, inner.largest_stride)
    result = surgery.apply(dense, args, kwargs)
    return dataclasses.replace(last, tensor=result.tensor)
