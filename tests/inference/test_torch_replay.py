import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_seg.applications import UNet
from keras_seg.inference.scores import predict_scores
from tests.applications.systems import small
from tests.networks import randomize

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="the others compile"
)


def images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


class Counted(layers.Layer):
    """Counts how often Keras calls it."""

    calls = 0

    def call(self, x):
        self.calls += 1
        return x


def keras_own(model):
    """The same network, which nobody has set to replay."""
    return keras.Model(model.input, model.output)


def test_keras_is_asked_once_for_each_size_and_weights_may_change():
    network = UNet(classes=3, filters=4, depth=2)
    image = keras.Input((None, None, 3))
    counted = Counted()
    model = keras.Model(image, network(counted(image)))
    for seed, side in enumerate((32, 32, 40, 32, 40)):
        randomize(model, seed // 2)
        x = images(2, side, side, 3, seed=seed)
        before = counted.calls
        found = predict_scores(model, x)
        assert counted.calls - before == (seed in (0, 2))
        np.testing.assert_array_equal(
            found, keras_own(model).predict_on_batch(x)
        )
    np.testing.assert_array_equal(model.predict(x, verbose=0), found)


@pytest.mark.parametrize("name", ["deeplabv2", "segnet"])
def test_systems_are_equal_to_the_last_bit(name):
    model = randomize(small(name, classes=3))
    oracle = keras_own(model)
    for seed in range(3):
        x = images(1, 37, 50, 3, seed=seed)
        np.testing.assert_array_equal(
            predict_scores(model, x), oracle.predict_on_batch(x)
        )


class Own(layers.Layer):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if ops.max(x) > 100 else -x,
        lambda x: x * float(x.max()),
        lambda x: x + ops.convert_to_tensor(x.numpy().mean()),
        lambda x: x + np.asarray(x).mean(),
        lambda x: x + len(x[x > 100]),
        lambda x: x + sum(x[0, 0, 0].tolist()),
    ],
)
def test_what_reads_values_is_left_to_keras(function):
    x = keras.Input((None, None, 2))
    model = keras.Model(x, Own(function)(x))
    for seed, scale in enumerate((1.0, 0.2, 0.9)):
        image = np.float32(scale) * images(1, 6, 7, 2, seed=seed)
        expected = ops.convert_to_numpy(function(ops.convert_to_tensor(image)))
        np.testing.assert_array_equal(predict_scores(model, image), expected)


def test_what_draws_or_remembers_goes_on_doing_so():
    class Drawn(layers.Layer):
        def build(self, shape):
            self.count = self.add_weight(shape=(), initializer="zeros")

        def call(self, x):
            self.count.assign(self.count + 1)
            return x + self.count + 0 * keras.random.normal(ops.shape(x))

    x = keras.Input((None, None, 2))
    model = keras.Model(x, Drawn()(x))
    image = images(1, 6, 7, 2)
    for number in range(1, 4):
        found = predict_scores(model, image)
        np.testing.assert_allclose(found, image + number, rtol=1e-6)
    noisy = keras.Model(x, Own(lambda x: x + keras.random.normal(x.shape))(x))
    assert (predict_scores(noisy, image) != predict_scores(noisy, image)).all()
