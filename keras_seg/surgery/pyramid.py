"""The maps of a network at every stride, found from its graph."""

import dataclasses

import keras
from keras import layers

from keras_seg.keras_private import calls_of
from keras_seg.keras_private import run_through_graph
from keras_seg.layers import PadToMultiple
from keras_seg.layers import PatchMerging
from keras_seg.layers import PatchTokens
from keras_seg.layers import RemovedStridePadding
from keras_seg.layers import TokensToMap
from keras_seg.surgery import graph
from keras_seg.surgery import operations
from keras_seg.surgery import pointwise_rules
from keras_seg.surgery.stages import check_any_size
from keras_seg.surgery.strides import measured_strides
from keras_seg.surgery.strides import verify_strides

__all__ = ["pyramid", "stride_of"]

STRIDED = (
    *graph.CONVOLUTIONS,
    PatchMerging,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
)
PADDING = (
    layers.ZeroPadding2D,
    layers.Cropping2D,
    PadToMultiple,
    RemovedStridePadding,
    operations.Pad,
)
GLOBAL = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
ENLARGING = (layers.Conv2DTranspose, layers.UpSampling2D)


def pyramid(
    model: keras.Model, *, pools: bool = False, verify: bool = True
) -> dict[int, keras.KerasTensor]:
    """Finds the last map of a network before each of its strides.

    Strides are read from the graph, not from layer names or indices, so any
    functional encoder will do. If several tensors lead to a stride, such as
    two branches of a block, the one computed last is taken. Padding before a
    strided layer is left out. A network whose strides were removed by
    `keras_seg.surgery.set_output_stride` has fewer levels.

    If a model names its maps in a dict `model.pyramid_outputs`, from any name
    to a tensor, as the backbones of keras-hub do, these are taken for their
    strides; the last map is still that of the network. The strides of a layer
    of another package, a block for example, are measured.

    Args:
        model: functional `keras.Model`, a classifier or an encoder.
        pools: bool, whether to take the output of a max pooling, the first
            map of its stride, instead of the last, where a max pooling alone
            makes a stride, as in VGG. FCN calls these maps pool1 … pool4.
            Defaults to False.
        verify: bool, whether to check the strides on random images. Defaults
            to True.

    Returns:
        A dict from stride, in pixels of the image, to tensor of `model`, in
        ascending order. The last one is the last map, before the classifier
        if there is one. Stride 1 is included if layers with weights work at
        the size of the image.

    Raises:
        ValueError: If the model enlarges its maps or turns them into a
            sequence, if a layer has different strides for rows and columns,
            or if a map has another stride when the model runs.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.MobileNetV2(
    ...     input_shape=(64, 64, 3), weights=None)
    >>> levels = keras_seg.surgery.pyramid(model)
    >>> {stride: level.shape[1:] for stride, level in levels.items()}
    {2: (32, 32, 96), 4: (16, 16, 144), 8: (8, 8, 192), 16: (4, 4, 576),
     32: (2, 2, 1280)}
    """
    model = graph.functional(model)
    check_any_size(model)
    declared = graph.declared_pyramid(model)
    climb = _Climb(model, may_enlarge=bool(declared))
    for level in climb.ends:
        if level.sequence is not None:
            _refuse(level.sequence, "makes a sequence of its map")
    levels = dict(climb.before_stride)
    levels[climb.last.stride] = climb.last
    if pools:
        for stride, makers in climb.makers.items():
            pool, level = makers[0]
            alone = len(makers) == 1 and isinstance(pool, layers.MaxPooling2D)
            if alone and stride != climb.last.stride:
                levels[stride] = level
    for tensor in declared.values():
        level = climb.reached.get(id(tensor), climb.last)
        if level.is_map and level.stride != climb.last.stride:
            levels[level.stride] = level
    maps = {
        stride: level.tensor
        for stride, level in sorted(levels.items())
        if level.weighted
    }
    if verify and maps:
        verify_strides(model, maps)
    return maps


@dataclasses.dataclass(frozen=True)
class _Level:
    """A tensor and its stride.

    `weighted` says whether there is a convolution before it; `sequence` is the
    operation that turned the map into a sequence, if there is one.
    """

    tensor: keras.KerasTensor
    stride: int = 1
    weighted: bool = False
    is_map: bool = True
    order: int = 0
    sequence: object = None


def _start(tensor):
    return _Level(tensor, is_map=len(tensor.shape) == 4)


class _Climb:
    """The levels of a functional model; its outputs' are `ends`."""

    def __init__(self, model, may_enlarge=False):
        self.may_enlarge = may_enlarge
        self.data_format = graph.data_format_of(model)
        self.order = 0
        self.last = _Level(None)
        self.before_stride = {}
        self.makers = {}
        self.reached = {}
        # An inner model's own outputs are those of its own graph.
        self.outputs: dict[int, list] = {}
        for call in calls_of(model):
            self.outputs.setdefault(id(call.operation), call.outputs)
        ends = run_through_graph(
            model, [_start(x) for x in model.inputs], self.call
        )
        self.ends = keras.tree.flatten(ends)

    def call(self, operation, *args, **kwargs):
        levels = graph.values_of(_Level, args, kwargs)
        level = max(levels, key=lambda x: (x.is_map, x.stride))
        outputs = self.outputs[id(operation)]
        is_map = any(len(tensor.shape) == 4 for tensor in outputs)
        if isinstance(operation, PatchTokens):
            return self._tokens(operation, level)
        if isinstance(operation, TokensToMap):
            return self._map_of_tokens(operation, levels[0])
        if not level.is_map and not (level.sequence and is_map):
            return keras.tree.map_structure(lambda _: level, operation.output)
        if isinstance(operation, ENLARGING):
            return self._enlarge(operation, level)
        if isinstance(operation, PADDING):
            return level
        self.order += 1
        if not is_map or isinstance(operation, GLOBAL):
            level = self._leave(operation, level, outputs)
            return keras.tree.map_structure(lambda _: level, operation.output)
        strides, weighted = self._strides(operation, args, kwargs, outputs)
        reached = [
            _Level(
                tensor,
                level.stride * (stride or 1),
                level.weighted or weighted,
                bool(stride),
                self.order,
            )
            for tensor, stride in zip(outputs, strides, strict=True)
        ]
        self._record(operation, level, reached)
        return keras.tree.pack_sequence_as(operation.output, reached)

    def _tokens(self, operation, level):
        """The tokens of patches, which `TokensToMap` will put in place."""
        if self.before_stride or level.stride > 1:
            _refuse(operation, "makes a sequence of its map")
        return _Level(
            self.outputs[id(operation)][0],
            operation.stride // operation.grids,
            weighted=True,
            is_map=False,
            sequence=operation,
        )

    def _map_of_tokens(self, operation, tokens):
        level = dataclasses.replace(
            tokens,
            tensor=self.outputs[id(operation)][0],
            is_map=True,
            sequence=None,
        )
        return self._keep(level)

    def _enlarge(self, operation, level):
        """A map of the pyramid that a model declares."""
        factor = set(getattr(operation, "strides", ()))
        if not self.may_enlarge or len(factor) != 1:
            _refuse(operation, "enlarges its map")
        stride = level.stride // factor.pop()
        level = dataclasses.replace(
            level, tensor=self.outputs[id(operation)][0], stride=stride
        )
        return self._keep(level)

    def _keep(self, level):
        self.order += 1
        level = dataclasses.replace(level, order=self.order)
        self.reached[id(level.tensor)] = level
        if level.stride >= self.last.stride:
            self.last = level
        return level

    def _leave(self, operation, level, outputs):
        """The level of a map that became a vector or a sequence."""
        level = dataclasses.replace(level, tensor=outputs[0])
        sequence = any(len(tensor.shape) > 2 for tensor in outputs)
        if not sequence or isinstance(operation, GLOBAL):
            return dataclasses.replace(level, is_map=False, sequence=None)
        if _has_weights(operation):
            _refuse(operation, "makes a sequence of its map")
        return dataclasses.replace(level, is_map=False, sequence=operation)

    def _strides(self, operation, args, kwargs, outputs):
        """The stride of each output, 0 if it is not a map; whether weighted."""
        if isinstance(operation, keras.Model):
            inner = _Climb(graph.functional(operation))
            strides = [x.stride if x.is_map else 0 for x in inner.ends]
            return strides, inner.last.weighted
        maps = [x for x in graph.values_of(_Level, args, kwargs) if x.is_map]
        if len(maps) > 1 or _states_its_stride(operation, self.data_format):
            stride, weighted = stride_of(operation)
            return [stride] * len(outputs), weighted
        args, kwargs = graph.tensors(args, kwargs)
        strides = measured_strides(operation, args, kwargs, self.data_format)
        return strides, _has_weights(operation)

    def _record(self, operation, level, reached):
        """Keeps the last map of each stride so far."""
        maps = [x for x in reached if x.is_map]
        for x in maps:
            self.reached[id(x.tensor)] = x
            if x.stride >= self.last.stride:
                self.last = x
        stride = max((x.stride for x in maps), default=level.stride)
        if stride == level.stride:
            return
        before = self.before_stride.get(level.stride, level)
        if level.order >= before.order:
            self.before_stride[level.stride] = level
        for x in maps:
            if x.stride < stride:
                self.before_stride[x.stride] = x
        made = next(x for x in maps if x.stride == stride)
        self.makers.setdefault(stride, []).append((operation, made))


def _has_weights(operation):
    return isinstance(operation, layers.Layer) and bool(operation.weights)


def _states_its_stride(operation, data_format):
    """Whether the stride can be read: of Keras's layers, and pointwise ones."""
    of_keras = type(operation).__module__.startswith("keras.")
    return (
        isinstance(operation, STRIDED)
        or (of_keras and isinstance(operation, layers.Layer))
        or bool(pointwise_rules.rule(operation, data_format))
    )


def _refuse(operation, what):
    raise ValueError(
        f"The layer '{operation.name}' ({type(operation).__name__}) {what}: "
        "a pyramid is found in an encoder, which only shrinks its maps."
    )


def stride_of(operation):
    """Returns the stride of an operation, and whether it is a convolution.

    Args:
        operation: a layer, an inner model, or an operation such as `+`.

    Returns:
        `(stride, weighted)`, an int and a bool.

    Raises:
        ValueError: If rows and columns have different strides.
    """
    if isinstance(operation, keras.Model):
        last = _Climb(graph.functional(operation)).last
        return last.stride, last.weighted
    if isinstance(operation, PatchTokens):
        return operation.stride // operation.grids, True
    if not isinstance(operation, STRIDED):
        return 1, False
    if len(set(operation.strides)) > 1:
        raise ValueError(
            f"The strides of the layer '{operation.name}' differ: "
            f"strides={operation.strides}"
        )
    return operation.strides[0], isinstance(operation, graph.CONVOLUTIONS)
