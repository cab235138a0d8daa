"""What the package uses of Keras that is not public, in one place.

A graph of layers can be built with public names, but not read. Each function
here stands on one private attribute, and `tests/test_keras_private.py` holds
what it is expected to do: a new version of Keras that changes one of them fails
there, and at run time with a message that names the attribute.
"""

from typing import Any
from typing import NamedTuple

__all__ = [
    "Call",
    "call_that_made",
    "calls_of",
    "has_value",
    "input_structure",
    "number_of_calls",
    "output_number",
    "producer",
    "run_through_graph",
    "variable_index",
]


class Call(NamedTuple):
    """One call of a layer or of another operation in a graph.

    Args:
        operation: `keras.Operation`, such as a layer.
        args: its arguments, tensors as `keras.KerasTensor`.
        kwargs: its arguments by keyword.
        inputs: list of `keras.KerasTensor`, those among the arguments.
        outputs: list of `keras.KerasTensor`.
    """

    operation: Any
    args: tuple
    kwargs: dict
    inputs: list
    outputs: list


def _private(owner, name):
    try:
        return getattr(owner, name)
    except AttributeError:
        import keras

        raise RuntimeError(
            f"Keras {keras.__version__} has no `{name}` of a "
            f"`{type(owner).__name__}`, which keras_seg needs. Fix: an older "
            "Keras, or a newer keras_seg."
        ) from None


def producer(tensor):
    """Returns the operation, such as a layer, that made a `KerasTensor`."""
    return _private(tensor, "_keras_history").operation


def output_number(tensor) -> int:
    """Returns which of the outputs of its operation a `KerasTensor` is."""
    return _private(tensor, "_keras_history").tensor_index


def call_that_made(tensor) -> Call:
    """Returns the call whose result a `KerasTensor` is.

    Example:

    >>> import keras
    >>> image = keras.Input((4,))
    >>> call = call_that_made(keras.layers.ReLU(name="relu")(image))
    >>> call.operation.name, call.inputs[0] is image
    ('relu', True)
    """
    history = _private(tensor, "_keras_history")
    nodes = _private(history.operation, "_inbound_nodes")
    return _call(nodes[history.node_index])


def number_of_calls(operation) -> int:
    """Returns how often an operation was called, in any graph."""
    return len(_private(operation, "_inbound_nodes"))


def calls_of(model) -> list[Call]:
    """Returns the calls in the graph of a functional model, inputs left out.

    They are in topological order: each call follows those that made its
    inputs.
    """
    by_depth = _private(model, "_nodes_by_depth")
    return [
        _call(node)
        for depth in sorted(by_depth, reverse=True)
        for node in by_depth[depth]
        if not node.is_input
    ]


def _call(node) -> Call:
    return Call(
        node.operation,
        node.arguments.args,
        node.arguments.kwargs,
        node.input_tensors,
        node.output_tensors,
    )


def run_through_graph(model, values, call):
    """Runs along the graph of a functional model, in topological order.

    Args:
        model: a functional `keras.Model`.
        values: list, anything, one for each input of the model.
        call: function `(operation, *args, **kwargs)`, called with each
            operation and the arguments it has in the graph, the tensors among
            them replaced by the values that stand for them. Returns a value
            for each output of the operation.

    Returns:
        The values that stand for the outputs, in the structure they have.
    """
    # `keras.models.clone_model(..., call_function=call)` is this walk for
    # tensors that start at an `Input`; this one carries other values as well.
    return _private(model, "_run_through_graph")(values, call_fn=call)


def input_structure(model):
    """Returns the inputs of a functional model as they were given to it."""
    return _private(model, "_inputs_struct")


def has_value(variable) -> bool:
    """Whether a variable has been initialized.

    Within a `keras.StatelessScope`, where Keras counts weights alone, it is
    not yet.
    """
    return _private(variable, "_value") is not None


def variable_index(optimizer, variable) -> int:
    """Returns the place of a variable among those an optimizer trains."""
    return _private(optimizer, "_get_variable_index")(variable)
