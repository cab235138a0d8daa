import keras
import numpy as np
import pytest
from keras import ops

from keras_seg.fast import atrous
from keras_seg.layers import AtrousConv
from tests.layer_check import check_layer


def picture(height=9, width=8, channels=3, batch=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, height, width, channels)).astype("float32")


def expected_by(other, layer, x):
    other.build(x.shape)
    other.set_weights(layer.get_weights())
    return ops.convert_to_numpy(other(x))


@pytest.mark.parametrize(
    "config",
    [
        {"kernel_size": 3, "dilation_rate": 2, "activation": "relu"},
        {
            "kernel_size": (2, 3),
            "dilation_rate": 7,
            "padding": (7, 8),
            "use_bias": False,
        },
        {"kernel_size": 3, "dilation_rate": 3, "separable": True},
    ],
)
def test_layer(config):
    config = {"filters": 4, **config}
    weights = 1 + config.get("use_bias", True) + config.get("separable", False)
    check_layer(AtrousConv, config, picture(), trainable_weights=weights)


@pytest.mark.parametrize(
    ("rate", "padding"), [(1, "valid"), (5, "same"), (12, "valid")]
)
def test_equals_conv2d(rate, padding):
    x = picture(26, 25)
    layer = AtrousConv(
        4, 3, dilation_rate=rate, padding=padding, activation="relu"
    )
    y = ops.convert_to_numpy(layer(x))
    other = keras.layers.Conv2D(
        4, 3, dilation_rate=rate, padding=padding, activation="relu"
    )
    np.testing.assert_allclose(
        y, expected_by(other, layer, x), rtol=1e-5, atol=1e-5
    )


def test_separable_equals_separable_conv2d():
    x = picture(13, 14)
    layer = AtrousConv(4, 3, dilation_rate=5, separable=True)
    y = ops.convert_to_numpy(layer(x))
    other = keras.layers.SeparableConv2D(4, 3, dilation_rate=5, padding="same")
    np.testing.assert_allclose(
        y, expected_by(other, layer, x), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("rate", [2, 12])
def test_half_precision(rate):
    x = picture(13, 14)
    layer = AtrousConv(4, 3, dilation_rate=rate, dtype="mixed_float16")
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert layer.kernel.dtype == "float32"
    full = AtrousConv(4, 3, dilation_rate=rate)
    np.testing.assert_allclose(
        ops.convert_to_numpy(y), expected_by(full, layer, x), atol=1e-2
    )


# k, r and k_e of the table in DeepLab's papers: the field of view of fc6 in
# v1 (arXiv:1412.7062, table 2) and the rates of v2's ASPP.
@pytest.mark.parametrize(
    "kernel_size, rate, effective",
    [
        (7, 4, 25),
        (4, 4, 13),
        (4, 8, 25),
        (3, 3, 7),
        (3, 6, 13),
        (3, 12, 25),
        (3, 18, 37),
        (3, 24, 49),
    ],
)
def test_effective_kernel_size(kernel_size, rate, effective):
    layer = AtrousConv(2, kernel_size, dilation_rate=rate, padding="valid")
    assert layer.effective_kernel_size == (effective, effective)
    # The weights stay those of k taps, the output shrinks by k_e - 1.
    shape = (None, effective + 3, effective, 5)
    assert layer.compute_output_shape(shape) == (None, 4, 1, 2)
    layer.build(shape)
    assert layer.count_params() == kernel_size**2 * 5 * 2 + 2


def step(layer, x, weights, jit_compile=False):
    """The weights after a step of a network with the layer inside."""
    inputs = keras.Input(x.shape[1:])
    before = keras.layers.Conv2D(3, 1)
    model = keras.Model(inputs, layer(before(inputs)))
    model.set_weights(weights)
    jit_compile = jit_compile or keras.backend.backend() == "jax"
    model.compile("sgd", "mean_squared_error", jit_compile=jit_compile)
    target = np.ones((*x.shape[:3], 4), "float32")
    model.fit(x, target, epochs=1, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize(
    ("products", "rate"), [(False, 2), (True, 7), (False, 20), (True, 20)]
)
def test_gradients_are_those_of_conv2d(products, rate, monkeypatch):
    monkeypatch.setattr(atrous, "_products_are_faster", lambda *_: products)
    x = picture(12, 9)
    rng = np.random.default_rng(1)
    weights = [
        rng.normal(size=shape).astype("float32")
        for shape in [(1, 1, 3, 3), (3,), (3, 3, 3, 4), (4,)]
    ]
    ours = step(AtrousConv(4, 3, dilation_rate=rate), x, weights)
    theirs = step(
        keras.layers.Conv2D(4, 3, dilation_rate=rate, padding="same"),
        x,
        weights,
    )
    for new, same, old in zip(ours, theirs, weights, strict=True):
        np.testing.assert_allclose(new, same, rtol=1e-5, atol=1e-6)
        assert np.abs(new - old).max() > 1e-5


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="JAX always compiles, PyTorch never",
)
@pytest.mark.parametrize("separable", [False, True])
def test_compiled_training(separable):
    x = picture(33, 33)
    shapes = [(1, 1, 3, 3), (3,), (3, 3, 3, 4), (4,)]
    if separable:
        shapes[2:3] = [(3, 3, 3, 1), (1, 1, 3, 4)]
    weights = [np.full(shape, 0.1, "float32") for shape in shapes]
    layer, same = [
        AtrousConv(4, 3, dilation_rate=18, separable=separable)
        for _ in range(2)
    ]
    compiled = step(layer, x, weights, jit_compile=True)
    for one, other in zip(compiled, step(same, x, weights), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_regularizers_constraints_and_initializers_survive():
    layer = AtrousConv(
        4,
        3,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        kernel_regularizer=keras.regularizers.L2(5e-4),
        depthwise_constraint=keras.constraints.NonNeg(),
    )
    config = layer.get_config()
    revived = AtrousConv.from_config(config)
    assert revived.get_config() == config
    assert revived.kernel_regularizer.l2 == pytest.approx(5e-4)
    assert isinstance(revived.depthwise_constraint, keras.constraints.NonNeg)
    revived.build((None, 4, 4, 2))
    assert len(revived.losses) == 1


@pytest.mark.parametrize(
    "arguments, received",
    [
        ({"filters": 0}, "filters=0"),
        ({"kernel_size": 0}, "kernel_size=0"),
        ({"kernel_size": 1.5}, "kernel_size=1.5"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size=\(3, 3, 3\)"),
        ({"dilation_rate": 0}, "dilation_rate=0"),
        ({"dilation_rate": -2}, "dilation_rate=-2"),
        ({"dilation_rate": 1.5}, "dilation_rate=1.5"),
        ({"dilation_rate": (2, 2)}, r"dilation_rate=\(2, 2\)"),
        ({"padding": "full"}, "padding='full'"),
        ({"padding": -1}, "padding=-1"),
        ({"padding": 0.5}, "padding=0.5"),
        ({"padding": (1, 2, 3)}, r"padding=\(1, 2, 3\)"),
    ],
)
def test_bad_arguments(arguments, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        AtrousConv(**{"filters": 4, "kernel_size": 3, **arguments})


def test_bad_shapes():
    layer = AtrousConv(4, 3, dilation_rate=12, padding="valid")
    with pytest.raises(
        ValueError, match="spans .25, 25..*Received: dilation_rate=12"
    ):
        layer.build((None, 33, 24, 2))
    with pytest.raises(ValueError, match="Received: input_shape=.None, 33"):
        layer.build((None, 33, 33, None))


def test_map_as_wide_as_it_has_channels():
    """Keras's `ops.add` would add the bias along the width (TensorFlow)."""
    layer = AtrousConv(6, 3, data_format="channels_first")
    x = np.random.default_rng(0).normal(size=(1, 2, 5, 6)).astype("float32")
    before = ops.convert_to_numpy(layer(x))
    kernel, bias = layer.get_weights()
    bias = np.arange(6, dtype="float32")
    layer.set_weights([kernel, bias])
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)),
        before + bias.reshape(1, 6, 1, 1),
        rtol=1e-5,
        atol=1e-5,
    )
