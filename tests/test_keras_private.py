"""What `keras_private` expects of Keras, one test for each attribute."""

import types

import keras
import numpy as np
import pytest

from keras_seg import keras_private
from keras_seg.fast.layers import BatchNorm


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


@pytest.mark.parametrize("kind", [keras.layers.BatchNormalization, BatchNorm])
def test_a_batch_norm_takes_its_moments_from_a_function(kind):
    layer = kind(epsilon=0.0, momentum=0.0)
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype("float32")
    layer.build(x.shape)
    asked = []

    def moments(inputs, axes):
        asked.append((tuple(inputs.shape), tuple(axes)))
        return keras.ops.ones((4,)), keras.ops.full((4,), 4.0)

    keras_private.set_moments(layer, moments)
    found = keras.ops.convert_to_numpy(layer(x, training=True))
    np.testing.assert_allclose(found, (x - 1) / 2, rtol=1e-6, atol=1e-7)
    assert asked == [(x.shape, (0, 1, 2))]
    moving = keras.ops.convert_to_numpy(layer.moving_variance)
    np.testing.assert_allclose(moving, 4.0)


def test_a_dropout_draws_from_its_own_generator():
    layer = keras.layers.Dropout(0.5)
    generator = layer.seed_generator
    keras_private.draw_by_seed(generator)
    before = keras.ops.convert_to_numpy(generator.state.value).copy()
    drawn = []
    for _ in range(2):
        generator.state.assign(before)
        y = layer(np.ones((8, 8), "float32"), training=True)
        drawn.append(keras.ops.convert_to_numpy(y))
    np.testing.assert_array_equal(*drawn)


def test_a_batch_counts_more_often_in_the_loss_that_is_reported():
    """Its definition: losses of 1 and 9, the second counted three times."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    model.compile(loss="mse", run_eagerly=True)
    factors = iter([1, 3])
    keras_private.weigh_loss(model, lambda: next(factors))
    model.evaluate(np.array([[1.0], [3.0]]), np.zeros((2, 1)), 1, verbose=0)
    found = float(model.metrics[0].result())
    assert found == pytest.approx((1 * 1 + 3 * 9) / (1 + 3))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="of JAX alone")
def test_batches_are_placed_by_a_function():
    import jax

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    shapes = []

    def place(array, layout, batch_dim_name):
        shapes.append(array.shape)
        return jax.numpy.asarray(array)

    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    with distribution.scope(), keras_private.placing_batches(place):
        model.fit(np.ones((3, 1)), np.ones((3, 1)), batch_size=2, verbose=0)
    assert {*shapes} == {(2, 1), (1, 1)}
