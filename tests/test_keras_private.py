"""What `keras_private` expects of Keras, one test for each attribute."""

import types

import keras
import numpy as np
import pytest

from keras_seg import keras_private


@pytest.fixture
def graph():
    """Two branches of one layer, one of which is pooled, summed."""
    image = keras.Input((4, 4, 3), name="image")
    conv = keras.layers.Conv2D(3, 1, name="conv")
    first, second = conv(image), conv(keras.layers.ReLU(name="relu")(image))
    total = keras.layers.Add(name="sum")([first, second])
    return keras.Model(image, total), image, conv, first, second, total


def test_history_of_a_tensor(graph):
    _, image, conv, first, second, total = graph
    assert keras_private.producer(first) is conv
    assert keras_private.producer(image).name == "image"
    assert keras_private.call_that_made(first).inputs == [image]
    call = keras_private.call_that_made(second)
    assert keras_private.producer(call.inputs[0]).name == "relu"
    call = keras_private.call_that_made(total)
    assert call.args == ([first, second],) and call.kwargs == {}
    assert call.outputs == [total]
    assert keras_private.number_of_calls(conv) == 2


def test_number_of_an_output():
    class Pair(keras.layers.Layer):
        def call(self, x):
            return x, 2 * x

    one, other = Pair()(keras.Input((2,)))
    assert keras_private.output_number(one) == 0
    assert keras_private.output_number(other) == 1


def test_calls_are_in_topological_order(graph):
    model, image, *_, total = graph
    calls = keras_private.calls_of(model)
    names = sorted(call.operation.name for call in calls)
    assert names == ["conv", "conv", "relu", "sum"]
    known = {id(image)}
    for call in calls:
        assert {id(x) for x in call.inputs} <= known
        known |= {id(x) for x in call.outputs}
    assert calls[-1].outputs == [total]


def test_any_values_run_through_a_graph(graph):
    def call(operation, *args, **kwargs):
        return f"{operation.name}({', '.join(keras.tree.flatten(args))})"

    found = keras_private.run_through_graph(graph[0], ["x"], call)
    assert found == "sum(conv(x), conv(relu(x)))"


def test_structure_of_inputs():
    inputs = {name: keras.Input((2,), name=name) for name in "ab"}
    model = keras.Model(inputs, keras.layers.Add()(list(inputs.values())))
    assert keras_private.input_structure(model) == inputs


def test_variables_get_values_late_in_a_stateless_scope():
    assert keras_private.has_value(keras.Variable(np.zeros(2)))
    with keras.StatelessScope():
        late = keras.Variable("zeros", shape=(2,))
        assert not keras_private.has_value(late)


def test_place_of_a_variable_in_an_optimizer():
    variables = [keras.Variable(np.zeros(n)) for n in (2, 3)]
    optimizer = keras.optimizers.SGD()
    optimizer.build(variables)
    places = [keras_private.variable_index(optimizer, x) for x in variables]
    assert places == [0, 1]


@pytest.mark.once
def test_what_is_missing_is_named():
    with pytest.raises(RuntimeError, match="no `_nodes_by_depth` of a"):
        keras_private.calls_of(types.SimpleNamespace())
