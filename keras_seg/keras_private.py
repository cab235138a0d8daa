"""All private attributes of Keras that the package uses.

A graph of layers can be built with public names, but not read. Each function
here relies on one private attribute, and `tests/test_keras_private.py` tests
it. A version of Keras that changes one fails there, and at run time with a
message that names the attribute.
"""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

if TYPE_CHECKING:
    import keras

__all__ = [
    "Call",
    "call_that_made",
    "calls_of",
    "draw_by_seed",
    "has_value",
    "input_structure",
    "moving_averages",
    "number_of_calls",
    "output_number",
    "placing_batches",
    "producer",
    "run_through_graph",
    "set_moments",
    "variable_index",
    "weigh_loss",
]


class Call(NamedTuple):
    """One call of a layer or of another operation in a graph.

    `inputs` are the tensors among `args` and `kwargs`.
    """

    operation: "keras.Operation"
    args: tuple
    kwargs: dict[str, Any]
    inputs: "list[keras.KerasTensor]"
    outputs: "list[keras.KerasTensor]"


def _private(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        import keras

        raise RuntimeError(
            f"Keras {keras.__version__} has no `{name}` of a "
            f"`{type(owner).__name__}`, which keras_seg needs. Fix: an older "
            "Keras, or a newer keras_seg."
        ) from None


def producer(tensor: "keras.KerasTensor") -> "keras.Operation":
    """Returns the operation, such as a layer, that made a `KerasTensor`."""
    return _private(tensor, "_keras_history").operation


def output_number(tensor: "keras.KerasTensor") -> int:
    """Returns which of the outputs of its operation a `KerasTensor` is."""
    return _private(tensor, "_keras_history").tensor_index


def call_that_made(tensor: "keras.KerasTensor") -> Call:
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


def number_of_calls(operation: "keras.Operation") -> int:
    """Returns how often an operation was called, in any graph."""
    return len(_private(operation, "_inbound_nodes"))


def calls_of(model: "keras.Model") -> list[Call]:
    """Returns the calls in the graph of a functional model, without inputs.

    They are in topological order: each follows those that made its inputs.
    """
    by_depth = _private(model, "_nodes_by_depth")
    return [
        _call(node)
        for depth in sorted(by_depth, reverse=True)
        for node in by_depth[depth]
        if not node.is_input
    ]


def _call(node: Any) -> Call:
    return Call(
        node.operation,
        node.arguments.args,
        node.arguments.kwargs,
        node.input_tensors,
        node.output_tensors,
    )


def run_through_graph(
    model: "keras.Model", values: Sequence, call: Callable[..., Any]
) -> Any:
    """Runs along the graph of a functional model, in topological order.

    `values` are anything, one for each input. `call(operation, *args,
    **kwargs)` gets each operation with its arguments in the graph, where values
    replace the tensors, and returns a value for each output. The result has the
    values of the outputs, in the structure of these.
    """
    # `keras.models.clone_model(..., call_function=call)` is this walk for
    # tensors that start at an `Input`; this one carries other values as well.
    return _private(model, "_run_through_graph")(values, call_fn=call)


def input_structure(model: "keras.Model") -> Any:
    """Returns the inputs of a functional model as they were given to it."""
    return _private(model, "_inputs_struct")


def has_value(variable: "keras.Variable") -> bool:
    """Whether a variable is initialized: not in a `keras.StatelessScope`."""
    return _private(variable, "_value") is not None


def moving_averages(
    optimizer: "keras.optimizers.Optimizer | None",
) -> "list[tuple[keras.Variable, keras.Variable]]":
    """Returns each trained weight with its moving average, if there are any.

    None are there before the first step, and without `use_ema`.
    """
    # What Keras wraps for mixed_float16.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if optimizer is None or not (optimizer.use_ema and optimizer.built):
        return []
    averages = _private(optimizer, "_model_variables_moving_average")
    variables = _private(optimizer, "_trainable_variables")
    return list(zip(variables, averages, strict=True))


def variable_index(
    optimizer: "keras.optimizers.Optimizer", variable: "keras.Variable"
) -> int:
    """Returns the place of a variable among those an optimizer trains."""
    return _private(optimizer, "_get_variable_index")(variable)


@contextlib.contextmanager
def placing_batches(place: Callable[[Any, Any, str], Any]) -> Iterator[None]:
    """Lets a function put the arrays of `fit` on devices, on JAX.

    Keras finds the layout of the first batch and takes it for all, which fails
    where the last batch is not a multiple of the devices.
    """
    from keras.src.backend.jax import distribution_lib

    own = _private(distribution_lib, "distribute_data_input")
    distribution_lib.distribute_data_input = place
    try:
        yield
    finally:
        distribution_lib.distribute_data_input = own


def set_moments(
    layer: "keras.layers.BatchNormalization",
    moments: Callable[[Any, Sequence[int]], tuple[Any, Any]],
) -> None:
    """Lets a batch norm take its mean and variance from a function."""
    axes = _private(layer, "_reduction_axes")
    _private(layer, "_moments")
    layer._moments = lambda inputs, mask: moments(inputs, axes)


def draw_by_seed(generator: "keras.random.SeedGenerator") -> None:
    """Lets a dropout layer without a `seed` draw from its own generator.

    On PyTorch Keras would draw from the global one.
    """
    if _private(generator, "_initial_seed") is None:
        generator._initial_seed = 0


def weigh_loss(model: "keras.Model", factor: Callable[[], int]) -> None:
    """Lets a batch count so many times in the loss that `fit` reports."""
    tracker = _private(model, "_loss_tracker")
    own = tracker.update_state

    def update_state(values: Any, sample_weight: Any = 1) -> None:
        own(values, sample_weight=sample_weight * factor())

    tracker.update_state = update_state
