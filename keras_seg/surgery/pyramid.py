"""The maps of a network at every stride, found from its graph."""

import dataclasses

import keras
from keras import layers

from keras_seg.layers import PadToMultiple
from keras_seg.layers import RemovedStridePadding
from keras_seg.surgery import graph

__all__ = ["pyramid", "stride_of"]

CONVOLUTIONS = (
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
)
STRIDED = (*CONVOLUTIONS, layers.MaxPooling2D, layers.AveragePooling2D)
PADDING = (
    layers.ZeroPadding2D,
    layers.Cropping2D,
    PadToMultiple,
    RemovedStridePadding,
)
GLOBAL = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
ENLARGING = (layers.Conv2DTranspose, layers.UpSampling2D)


def pyramid(model, *, pools=False):
    """Finds the last map of a network before each of its strides.

    The strides are read from the graph, not from layer names or indices, so
    any functional encoder will do. Where several tensors go into a stride
    (two branches of a block), the one computed last is taken; explicit
    padding in front of a strided layer is left out. A network whose strides
    were removed by `keras_seg.surgery.set_output_stride` has fewer levels.

    Args:
        model: functional `keras.Model`, a classifier or an encoder.
        pools: bool. Where a max pooling alone makes a stride, as in VGG,
            take what it pools, the first map of that stride, in place of the
            last: FCN and its kin call these maps pool1 … pool4. Defaults to
            False.

    Returns:
        A dict from stride (pixels of the image for a position) to tensor of
        `model`, in ascending order; the last one is the last map before the
        classifier, if there is one. Stride 1 is there where layers with
        weights work at the size of the image.

    Raises:
        ValueError: if the model enlarges its maps, or a layer has different
            strides for rows and columns.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.MobileNetV2(
    ...     input_shape=(64, 64, 3), weights=None)
    >>> levels = keras_seg.surgery.pyramid(model)
    >>> {stride: level.shape[1:] for stride, level in levels.items()}
    {2: (32, 32, 96), 4: (16, 16, 144), 8: (8, 8, 192), 16: (4, 4, 576),
     32: (2, 2, 1280)}
    """
    climb = _Climb()
    model = graph.functional(model)
    starts = [_Level(tensor) for tensor in model.inputs]
    graph.walk(model, starts, climb.call)
    levels = dict(climb.before_stride)
    levels[climb.last.stride] = climb.last
    if pools:
        for stride, makers in climb.makers.items():
            pool, level = makers[0]
            alone = len(makers) == 1 and isinstance(pool, layers.MaxPooling2D)
            if alone and stride != climb.last.stride:
                levels[stride] = level
    return {
        stride: level.tensor
        for stride, level in sorted(levels.items())
        if level.weighted
    }


@dataclasses.dataclass(frozen=True)
class _Level:
    """A tensor and its stride; `weighted` once a convolution made it."""

    tensor: keras.KerasTensor
    stride: int = 1
    weighted: bool = False
    is_map: bool = True
    order: int = 0


class _Climb:
    def __init__(self):
        self.order = 0
        self.last = _Level(None)
        self.before_stride = {}
        self.makers = {}

    def call(self, operation, *args, **kwargs):
        levels = [
            value
            for value in keras.tree.flatten((args, kwargs))
            if isinstance(value, _Level)
        ]
        level = max(levels, key=lambda x: (x.is_map, x.stride))
        if not level.is_map:
            return keras.tree.map_structure(lambda _: level, operation.output)
        if isinstance(operation, ENLARGING):
            raise ValueError(
                f"The layer '{operation.name}' "
                f"({type(operation).__name__}) enlarges its map: a pyramid "
                "is found in an encoder, which only shrinks them."
            )
        if isinstance(operation, PADDING):
            return level
        self.order += 1
        if isinstance(operation, (layers.Flatten, *GLOBAL)):
            return dataclasses.replace(level, is_map=False)
        strided, weighted = stride_of(operation)
        stride = level.stride * strided
        weighted = level.weighted or weighted

        def above(tensor):
            return _Level(tensor, stride, weighted, True, self.order)

        result = keras.tree.map_structure(above, operation.output)
        if stride > level.stride:
            before = self.before_stride.get(level.stride, level)
            if level.order >= before.order:
                self.before_stride[level.stride] = level
            self.makers.setdefault(stride, []).append((operation, result))
        for reached in keras.tree.flatten(result):
            if reached.stride >= self.last.stride:
                self.last = reached
        return result


def stride_of(operation):
    """The stride of an operation, and whether a convolution is in it.

    Args:
        operation: a layer, an inner model, or an operation such as `+`.

    Returns:
        `(stride, weighted)`, an int and a bool.

    Raises:
        ValueError: if rows and columns have different strides.
    """
    if isinstance(operation, keras.Model):
        inner = _Climb()
        model = graph.functional(operation)
        graph.walk(model, [_Level(x) for x in model.inputs], inner.call)
        return inner.last.stride, inner.last.weighted
    if not isinstance(operation, STRIDED):
        return 1, False
    if len(set(operation.strides)) > 1:
        raise ValueError(
            f"The strides of the layer '{operation.name}' differ: "
            f"strides={operation.strides}"
        )
    return operation.strides[0], isinstance(operation, CONVOLUTIONS)
