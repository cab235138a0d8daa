"""Layers and operations without a rule are tried: exact, measured, refused."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_seg.applications import FCN8s
from keras_seg.keras_private import producer
from keras_seg.surgery import pyramid
from keras_seg.surgery import receptive_field
from keras_seg.surgery import set_output_stride
from keras_seg.surgery.locality import locality
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference


class Scaled(layers.Layer):
    """Layer scale, and a gate of two maps."""

    def build(self, *shapes):
        self.gamma = self.add_weight(shape=(4,), name="gamma")

    def call(self, x, gate=None):
        x = self.gamma * ops.softplus(x)
        return x if gate is None else ops.where(gate > x, x, 0.1 * gate)


class ResponseNorm(layers.Layer):
    """GRN of ConvNeXt V2, whose weights are zero at first."""

    def build(self, shape):
        self.gamma = self.add_weight(
            shape=(4,), initializer="zeros", name="gamma"
        )

    def call(self, x):
        norm = ops.sqrt(ops.sum(x * x, axis=(1, 2), keepdims=True))
        mean = ops.mean(norm, axis=-1, keepdims=True)
        return x + self.gamma * x * norm / (mean + 1e-6)


class Positions(layers.Layer):
    """Local, but not the same everywhere."""

    def call(self, x):
        rows = ops.cumsum(ops.ones_like(x), axis=1)
        return x + rows


class Windowed(layers.Layer):
    """Each row looks at all of its positions."""

    def call(self, x):
        return x - ops.mean(x, axis=2, keepdims=True)


def network(*middle):
    """Two strided convolutions with other layers in between."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", name="first")(image)
    for layer in middle:
        x = layer(x)
    x = layers.Conv2D(5, 3, 2, padding="same", name="last")(x)
    return randomize(keras.Model(image, x))


def difference(model, stride=1):
    """Between the map and every k-th position of that with less stride."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (1, 33, 44, 3)).astype("float32")
    dense = set_output_stride(model, stride)
    step = max(pyramid(model)) // stride
    assert max(pyramid(dense)) == stride
    old, new = outputs(model, x), outputs(dense, x)[:, ::step, ::step]
    return relative_difference(new, old)


def kernel(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def squeeze_excite(x):
    """An inner model of a map, another of its means."""
    image = keras.Input((None, None, 4))
    means = layers.GlobalAveragePooling2D(keepdims=True)(image)
    means = layers.Conv2D(4, 1, activation="sigmoid")(means)
    x = keras.Model(image, layers.Multiply()([image, means]), name="se")(x)
    vector = keras.Input((1, 1, 4))
    gate = keras.Model(vector, layers.Dense(4, "sigmoid")(vector), name="gate")
    return x * gate(ops.mean(x, axis=(1, 2), keepdims=True))


def test_what_is_pointwise_is_carried_exactly():
    gate = Scaled(name="gate")
    model = network(
        Scaled(),
        lambda x: gate(x, x - ops.mean(x, axis=-1, keepdims=True)),
        ops.softmax,
        lambda x: ops.concatenate([x[..., :3], ops.log_softmax(x, -1)], -1),
        lambda x: x[..., 2:6] / (1 + ops.max(x, axis=3, keepdims=True)),
        lambda x: ops.max(ops.stack([x, -x], axis=-1), axis=-1),
    )
    assert difference(model) < 1e-5
    # The same without verification, as each was tried.
    set_output_stride(model, 1, verify=False)
    assert receptive_field(model) == receptive_field(network())


def test_operations_of_windows():
    model = network(
        lambda x: ops.conv(x, kernel(3, 3, 4, 6), 2, "same"),
        lambda x: ops.depthwise_conv(x, kernel(2, 3, 6, 1), 1, "valid"),
        lambda x: ops.conv(x, kernel(3, 3, 6, 4), dilation_rate=2),
    )
    assert difference(model, 2) < 1e-5
    model = network(
        lambda x: ops.max_pool(x, 3, 2, "same"),
        lambda x: ops.average_pool(x, 2, 2),
    )
    assert difference(model) < 1e-5


@pytest.mark.parametrize(
    "layer, first", [(ResponseNorm(), "response_norm"), (squeeze_excite, "glo")]
)
def test_what_takes_in_the_whole_map_is_measured(layer, first):
    model = network(layer)
    with pytest.warns(UserWarning, match=f"'{first}.* differs by") as said:
        gap = difference(model)
    assert sum(x.category is UserWarning for x in said) == 1
    # Measured: 0.07 % and 0.2 % of the largest value.
    assert 1e-5 < gap < 0.02


@pytest.mark.once
def test_zero_weights_hide_nothing():
    x = keras.Input((None, None, 4))
    norm = ResponseNorm()
    norm(x)
    assert locality(norm, "channels_last") == "whole"
    np.testing.assert_array_equal(norm.gamma, np.zeros(4))


@pytest.mark.once
@pytest.mark.parametrize(
    "layer",
    [
        Positions(name="asked"),
        Windowed(name="asked"),
        lambda x: ops.roll(x, 1, axis=1),
        lambda x: x[:, 1:],
        lambda x: ops.mean(x, axis=1, keepdims=True),
    ],
)
def test_others_are_refused(layer):
    reason = "neither a convolution.*on random maps, what it computes at a pos"
    with pytest.raises(ValueError, match=reason):
        set_output_stride(network(layer), 2)


@pytest.mark.once
def test_what_knows_one_size_is_refused():
    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, 2, padding="same")(image)
    x = ops.reshape(ops.reshape(x, (-1, 256, 4)), (-1, 16, 16, 4))
    model = keras.Model(image, layers.Conv2D(4, 3, 2)(x))
    with pytest.raises(ValueError, match="'reshape.* does not run on random"):
        set_output_stride(model, 2)


@pytest.mark.once
def test_channels_first():
    keras.config.set_image_data_format("channels_first")
    image = keras.Input((4, None, None))
    keras.config.set_image_data_format("channels_last")
    known = {
        "pointwise": ops.softmax(image, axis=1),
        "pooled": ops.mean(image, axis=(2, 3)),
        None: ops.softmax(image, axis=-1),
    }
    for expected, tensor in known.items():
        assert locality(producer(tensor), "channels_first") == expected


@pytest.mark.once
def test_a_builder_takes_such_a_network():
    image = keras.Input((None, None, 3))
    x = image
    for _ in range(5):
        x = layers.Conv2D(4, 3, 2, padding="same")(x)
        x = Scaled()(x)
    model = FCN8s(randomize(keras.Model(image, x)), classes=2)
    assert model.compute_output_shape((1, 50, 70, 3)) == (1, 50, 70, 2)
