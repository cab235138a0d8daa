import keras
import numpy as np
import pytest
from keras import ops

from keras_seg.layers import BatchNorm
from tests.layer_check import check_layer

RNG = np.random.default_rng(0)
OPTIONS = [
    {},
    {"scale": False, "epsilon": 0.1},
    {"center": False, "momentum": 0.5},
    {"axis": 1},
    {"axis": 2},
]


def as_array(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("trained", [True, False])
def test_layer(trained):
    """A fresh one has a mean of 0 and a variance of 1."""
    x = RNG.normal(size=(2, 5, 6, 3)).astype("float32")
    check_layer(
        BatchNorm,
        {"epsilon": 0.0, "trainable": trained},
        x,
        expected_output=x,
        trainable_weights=2 if trained else 0,
        formats=False,
        # Trained towards a constant, a normalized map has no gradient.
        train=not trained,
    )


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("trainable", [True, False])
def test_as_keras(options, trainable):
    """Outputs, moving statistics and gradients, in training and after."""
    x = (RNG.normal(size=(3, 8, 9, 4)) * 5 + 20).astype("float32")
    target = RNG.normal(size=x.shape).astype("float32")
    results = []
    for kind in (BatchNorm, keras.layers.BatchNormalization):
        image = keras.Input(x.shape[1:])
        # A weight in front of it, which the gradient has to reach.
        before = keras.layers.Dense(4, kernel_initializer="identity")
        norm = kind(**options, trainable=trainable)
        model = keras.Model(image, norm(before(image)))
        for weight in norm.weights:
            value = np.random.default_rng(1).uniform(0.5, 2, weight.shape)
            weight.assign(value.astype("float32"))
        outputs = [as_array(model(x, training=t)) for t in (True, False)]
        model.compile(keras.optimizers.SGD(0.1), "mean_squared_error")
        model.fit(x, target, epochs=2, verbose=0, shuffle=False)
        results.append([*outputs, *model.get_weights()])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_many_values_far_from_zero():
    """By the definition, in float64: the sums keep their digits."""
    x = RNG.normal(100.0, 1.0, (4, 100, 100, 2)).astype("float32")
    norm = BatchNorm(momentum=0.0)
    found = as_array(norm(x, training=True))
    exact = x.astype("float64")
    mean, variance = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    expected = (exact - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-4)
    np.testing.assert_allclose(as_array(norm.moving_mean), mean, rtol=5e-6)
    np.testing.assert_allclose(
        as_array(norm.moving_variance), variance, rtol=2e-5
    )


def test_constant_map():
    norm = BatchNorm(momentum=0.0)
    y = as_array(norm(np.full((2, 3, 3, 1), 7.0, "float32"), training=True))
    np.testing.assert_allclose(y, 0.0, atol=1e-3)
    assert 0 <= float(norm.moving_variance[0]) < 1e-6


def test_what_keras_does_itself():
    """Masks and renorm are left to it."""
    x = RNG.normal(size=(2, 6, 3)).astype("float32")
    mask = np.array([[True] * 4 + [False] * 2] * 2)
    for options, mask_or_none in (({}, mask), ({"renorm": True}, None)):
        ours, theirs = (
            as_array(kind(**options)(x, training=True, mask=mask_or_none))
            for kind in (BatchNorm, keras.layers.BatchNormalization)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
