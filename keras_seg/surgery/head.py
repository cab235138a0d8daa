"""Where the fully connected head of a classifier begins and ends."""

import dataclasses

import keras
from keras import layers

from keras_seg.keras_private import run_through_graph
from keras_seg.surgery import graph

__all__ = ["GLOBAL_POOLING", "begins_head", "find_head"]

GLOBAL_POOLING = {
    layers.GlobalAveragePooling2D: layers.AveragePooling2D,
    layers.GlobalMaxPooling2D: layers.MaxPooling2D,
}


def begins_head(operation):
    """Whether it is `Flatten` or a global pooling."""
    return isinstance(operation, (layers.Flatten, *GLOBAL_POOLING))


def find_head(classifier):
    """Finds the operations that begin and end the head of a classifier.

    A global pooling that is multiplied with a map again, as in
    squeeze-and-excite blocks, does not begin a head.

    Returns:
        `(roots, last)`, two sets of ids of operations.
    """

    @dataclasses.dataclass(frozen=True)
    class Trace:
        roots: frozenset = frozenset()
        last: object = None

    def call(operation, *args, **kwargs):
        traces = graph.values_of(Trace, args, kwargs)
        begins = begins_head(operation)
        if all(trace.roots for trace in traces):
            roots = frozenset().union(*(trace.roots for trace in traces))
        else:
            roots = frozenset([id(operation)] if begins else [])
        result = Trace(roots, operation)
        return keras.tree.map_structure(lambda _: result, operation.output)

    inputs = [Trace() for _ in classifier.inputs]
    outputs = keras.tree.flatten(run_through_graph(classifier, inputs, call))
    if not all(trace.roots for trace in outputs):
        raise ValueError(
            f"The model '{classifier.name}' has no fully connected head: its "
            "output does not come through Flatten or global pooling. Of a "
            "transformer, give the model that ends in its tokens. "
            "Received: a model with output shape "
            f"{keras.tree.flatten(classifier.outputs)[0].shape}"
        )
    roots = frozenset().union(*(trace.roots for trace in outputs))
    return roots, {id(trace.last) for trace in outputs}
