"""Rules that carry sliding windows and padding to another output stride."""

import dataclasses

import keras
from keras import layers

from keras_seg.layers import AtrousAveragePool
from keras_seg.layers import AtrousConv
from keras_seg.layers import AtrousMaxPool
from keras_seg.layers import RemovedStridePadding
from keras_seg.layers.removed_stride import RemovedStride
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import operations
from keras_seg.surgery.transform_rules import carry
from keras_seg.surgery.transform_rules import refuse

__all__ = ["Window"]


@carry.register(layers.Conv2D)
@carry.register(layers.DepthwiseConv2D)
@carry.register(layers.SeparableConv2D)
def _(layer, surgery, maps, args, kwargs):
    return _convolve(layer, layer.kernel_size, surgery, maps, args, kwargs)


@carry.register(operations.ConvOperation)
@carry.register(operations.DepthwiseConvOperation)
def _(operation, surgery, maps, args, kwargs):
    """`keras.ops.conv` and kin, of a kernel that is an array."""
    _check_operation(operation, surgery)
    if len(maps) > 1:
        refuse(operation, "its kernel is computed by the network")
    kernel_size = tuple(args[1].shape[:2])
    return _convolve(operation, kernel_size, surgery, maps, args, kwargs)


def _check_operation(operation, surgery):
    if operation.data_format != surgery.data_format:
        refuse(
            operation,
            f"its data format is {operation.data_format!r}, that of the maps "
            f"{surgery.data_format!r}",
        )


def _convolve(layer, taps, surgery, maps, args, kwargs):
    (x,) = maps
    dilation_rate = _pair(layer.dilation_rate)
    kernel_size = tuple(
        (size - 1) * rate + 1
        for size, rate in zip(taps, dilation_rate, strict=True)
    )
    window = Window(layer, surgery, x, kernel_size)
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
            for size, rate in zip(taps, dilation_rate, strict=True)
        ),
    )
    return window.finish(surgery.apply(copy, (x, *args[1:]), kwargs))


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


@carry.register(AtrousConv)
def _(layer, surgery, maps, args, kwargs):
    """It has no stride of its own; its rate and its padding grow."""
    (x,) = maps
    padding, shift = layer.padding, x.shift
    spans = [size - 1 for size in layer.effective_kernel_size]
    if padding == "same" and x.rate > 1 and any(span % 2 for span in spans):
        refuse(
            layer,
            "padding='same' puts another row or column behind an even kernel "
            "than in front of it. Take an odd kernel, or pad by "
            "`ZeroPadding2D`",
        )
    if padding != "same":
        zeros = (0, 0) if padding == "valid" else padding
        amounts = zip(zeros, spans, strict=True)
        shift = x.longer_by(*((2 * n - span) * x.rate for n, span in amounts))
        if padding != "valid":
            padding = tuple(n * x.rate for n in zeros)
    copy = surgery.copier.copy(
        layer, dilation_rate=layer.dilation_rate * x.rate, padding=padding
    )
    return surgery.apply(copy, args, kwargs, shift=shift, padded=(0, 0))


@carry.register(layers.MaxPooling2D)
@carry.register(layers.AveragePooling2D)
def _(layer, surgery, maps, args, kwargs):
    (x,) = maps
    window = Window(layer, surgery, x, tuple(layer.pool_size))
    if window.unchanged:
        return window.apply_unchanged(args, kwargs)
    if tuple(layer.pool_size) == (1, 1):
        return window.finish(x)
    is_max = isinstance(layer, layers.MaxPooling2D)
    if not is_max and layer.padding == "same" and window.stride > 1:
        # Windows of two, which have one row of padding, are right.
        if keras.backend.backend() == "torch" and max(layer.pool_size) > 2:
            refuse(
                layer,
                "on PyTorch, an average pooling of Keras with padding='same' "
                "and a stride counts zeros behind the last row and column of "
                "some sizes, and not of others. Pad by `ZeroPadding2D`, and "
                "pool with padding='valid', or take TensorFlow or JAX",
            )
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


@carry.register(operations.AveragePool)
@carry.register(operations.MaxPool)
def _(operation, surgery, maps, args, kwargs):
    """`keras.ops.max_pool` and kin become the layers that they stand for."""
    _check_operation(operation, surgery)
    is_max = isinstance(operation, operations.MaxPool)
    layer_class = layers.MaxPooling2D if is_max else layers.AveragePooling2D
    layer = layer_class(
        operation.pool_size,
        operation.strides,
        operation.padding,
        operation.data_format,
        name=operation.name,
        dtype=maps[0].tensor.dtype,
    )
    return carry(layer, surgery, maps, args, kwargs)


class Window:
    """A layer that slides a window over a map, and the fate of its stride."""

    def __init__(self, layer, surgery, x, kernel_size):
        strides = set(_pair(layer.strides))
        if len(strides) > 1:
            refuse(layer, f"its strides differ: strides={layer.strides}")
        self.layer, self.surgery, self.x = layer, surgery, x
        self.kernel_size = kernel_size
        self.stride = strides.pop()
        self.kept = x.stride * self.stride <= surgery.output_stride
        self.unchanged = x.rate == 1 and self.kept
        self.geometry = {
            "removed_stride": self.stride,
            "dilation_rate": x.rate,
            "padded": x.padded,
            "data_format": surgery.data_format,
        }

    @property
    def must_pad(self):
        """Whether a layer of its own must pad the map."""
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
        """The layer's output, given its output at stride 1."""
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
        """The changes of the map's size."""
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
    padding = _at_rate(x, layer.padding)
    copy = surgery.copier.copy(layer, padding=padding)
    return surgery.apply(copy, args, kwargs, **_padded(x, padding))


@carry.register(layers.Cropping2D)
def _(layer, surgery, maps, args, kwargs):
    (x,) = maps
    cropping = _at_rate(x, layer.cropping)
    copy = surgery.copier.copy(layer, cropping=cropping)
    shift = x.longer_by(*(-sum(pair) for pair in cropping))
    return surgery.apply(copy, args, kwargs, shift=shift)


def _at_rate(x, pairs):
    return tuple(tuple(amount * x.rate for amount in pair) for pair in pairs)


def _padded(x, padding):
    """The changes of a map that is padded by these pairs."""
    rows, columns = map(sum, padding)
    return {
        "shift": x.longer_by(rows, columns),
        "padded": (x.padded[0] + rows, x.padded[1] + columns),
    }


@carry.register(operations.Pad)
def _(operation, surgery, maps, args, kwargs):
    (x,) = maps
    rows, columns = spatial_axes(surgery.data_format)
    padding = [tuple(pair) for pair in operation.pad_width]
    others = set(range(4)) - {rows, columns}
    if len(padding) != 4 or any(padding[axis] != (0, 0) for axis in others):
        refuse(operation, f"it pads more than maps: pad_width={padding}")
    if operation.mode != "constant" and x.rate > 1:
        refuse(operation, f"it pads by what is there: mode={operation.mode!r}")
    padding = list(_at_rate(x, padding))
    return surgery.apply(
        surgery.copier.copy(operation, pad_width=padding),
        args,
        kwargs,
        **_padded(x, (padding[rows], padding[columns])),
    )


@carry.register(RemovedStride)
def _(layer, surgery, maps, args, kwargs):
    """A layer whose stride was removed before."""
    (x,) = maps
    copy = surgery.copier.copy(
        layer,
        dilation_rate=layer.dilation_rate * x.rate,
        padded=tuple(amount * x.rate for amount in layer.padded),
    )
    return surgery.apply(copy, args, kwargs, origin=object(), padded=(0, 0))
