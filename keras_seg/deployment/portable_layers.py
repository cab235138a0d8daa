"""Layers whose graphs other runtimes are fast with."""

from typing import Any

import keras

from keras_seg.fast import replacement_class
from keras_seg.keras_private import run_through_graph
from keras_seg.layers import RemovedStridePadding
from keras_seg.ops.padding import windows
from keras_seg.surgery import fold_batch_norm
from keras_seg.surgery import graph

__all__ = ["portable_layers"]

# Twice the largest stride, so that every remainder of a size occurs.
SIDES = range(1, 129)


def portable_layers(network: keras.Model) -> keras.Model:
    """Rebuilds a network with layers whose graphs runtimes are fast with.

    Batch norms are folded, and Keras's layers replaced by those of
    `keras_seg.fast`, whose holes and norms have portable forms. Zeros around
    maps are of a fixed number where all images have the same: a "same"
    convolution with a stride pads by the parity of its map, and where the
    image is first padded to a multiple of the strides, all maps at that place
    have one parity. Runtimes make fixed zeros a part of the convolution; others
    cost a pass over the map, and the layout of memory that is fast.

    Args:
        network: functional `keras.Model`, channels last.

    Returns:
        A functional `keras.Model` that computes the same.

    Raises:
        ValueError: If surgery does not carry a layer.
    """
    network = fold_batch_norm(network, verify=False)
    any_size = None in network.inputs[0].shape[1:3]
    pads = _pads(network) if any_size else {}
    fixed = {op: found.pop() for op, found in pads.items() if len(found) == 1}
    copier = graph.Copier()

    def call(operation, *args, **kwargs):
        config = {}
        if operation in fixed:
            name = f"{operation.name}_zeros"
            zeros = keras.layers.ZeroPadding2D(fixed[operation], name=name)
            args = (zeros(args[0]), *args[1:])
            if isinstance(operation, RemovedStridePadding):
                return args[0]
            config = {"padding": "valid"}
        layer_class = replacement_class(operation)
        if layer_class is not type(operation):
            config = operation.get_config() | config
        return copier.copy(operation, layer_class, **config)(*args, **kwargs)

    return graph.rebuild(network, lambda x: x, call, copier, any_size=any_size)


class _Shapes:
    """The shapes of a tensor, for each side of an image; None for no map."""

    def __init__(self, shapes: list):
        self.shapes = shapes


def _pads(network: keras.Model) -> dict[keras.Operation, set]:
    """All numbers of zeros by which a layer ever pads."""
    pads: dict[keras.Operation, set] = {}

    def call(operation, *args, **kwargs):
        values = graph.values_of(_Shapes, args, kwargs)
        rows = list(zip(*(value.shapes for value in values), strict=True))
        specs: dict[tuple, list] = {}
        for row in set(rows):
            if None not in row:
                specs[row] = _specs(operation, args, kwargs, row)
                zeros = _zeros(operation, row[0])
                if zeros is not None:
                    pads.setdefault(operation, set()).add(zeros)
        ends = keras.tree.flatten(operation.output)
        found = [
            _Shapes([specs[row][n] if specs.get(row) else None for row in rows])
            for n in range(len(ends))
        ]
        return keras.tree.pack_sequence_as(operation.output, found)

    channels = network.inputs[0].shape[-1]
    sides = [(1, side, side, channels) for side in SIDES]
    run_through_graph(network, [_Shapes(sides)], call)
    return pads


def _specs(operation: Any, args: Any, kwargs: Any, row: tuple) -> list[tuple]:
    """The shapes of the outputs; none if the map is too small."""
    shapes = iter(row)

    def tensor(value):
        is_map = isinstance(value, _Shapes)
        return keras.KerasTensor(next(shapes)) if is_map else value

    args, kwargs = keras.tree.map_structure(tensor, (args, kwargs))
    try:
        spec = operation.compute_output_spec(*args, **kwargs)
    except ValueError:
        return []
    return [tuple(x.shape) for x in keras.tree.flatten(spec)]


def _zeros(operation: Any, shape: tuple) -> tuple | None:
    """By how much a layer pads a map, None if that is not by its size."""
    if type(operation) is RemovedStridePadding:
        return operation.pads(shape)
    plain = isinstance(operation, graph.CONVOLUTIONS)
    if not plain or graph.has_own_call(operation):
        return None
    if operation.padding != "same" or max(operation.strides) == 1:
        return None
    return windows(
        shape[1:3],
        operation.kernel_size,
        operation.strides,
        operation.dilation_rate,
        "same",
    )[0]
