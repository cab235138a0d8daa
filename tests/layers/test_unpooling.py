import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_seg.layers import MaxPoolWithIndices
from keras_seg.layers import MaxUnpool
from tests.layer_check import check_layer


def maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_pool():
    check_layer(
        MaxPoolWithIndices,
        {"pool_size": (2, 3), "strides": 2, "rounding": "floor"},
        maps(2, 7, 8, 3),
        registered_name="MaxPoolWithSwitches",
    )


@pytest.mark.parametrize("config", [{}, {"pool_size": 3, "strides": 2}])
def test_unpool(config):
    """With the map that was pooled as the reference, of any size."""
    x = maps(2, 7, 10, 3)
    pooled, switches = map(
        ops.convert_to_numpy, MaxPoolWithIndices(**config)(x)
    )
    expected = np.zeros((2, 70, 3), "float32")
    np.put_along_axis(
        expected, switches.reshape(2, -1, 3), pooled.reshape(2, -1, 3), 1
    )
    expected = expected.reshape(x.shape)
    layer = MaxUnpool(**config)
    for y in (
        layer(pooled, switches, x),
        layer(pooled, switches, output_size=(7, 10)),
    ):
        np.testing.assert_array_equal(ops.convert_to_numpy(y), expected)
    if config:  # Windows overlap.
        inputs = (pooled, switches, x)
        check_layer(MaxUnpool, config, inputs, expected_output=expected)


def test_chain_of_segnet():
    """papers.md 4.2: 360×480 meets two odd sizes on the way to 12×15."""
    image = keras.Input((None, None, 1))
    x, stack = image, []
    for _ in range(5):
        before = x
        x, switches = MaxPoolWithIndices(2)(x)
        stack.append((switches, before))
    outputs = [x]
    for switches, before in reversed(stack):
        outputs.append(MaxUnpool(2)(outputs[-1], switches, before))
    model = keras.Model(image, outputs)
    picture = maps(1, 360, 480, 1)
    results = model.predict(picture, verbose=0)
    assert [y.shape[1:3] for y in results] == [
        (12, 15),
        (23, 30),
        (45, 60),
        (90, 120),
        (180, 240),
        (360, 480),
    ]
    kept = results[-1] != 0
    assert kept.sum() == 12 * 15
    np.testing.assert_array_equal(results[-1][kept], picture[kept])


def test_static_size_in_a_saved_model(tmp_path):
    x = keras.Input((23, 30, 2))
    y = MaxUnpool(2)(*MaxPoolWithIndices(2)(x), output_size=(23, 30))
    assert y.shape == (None, 23, 30, 2)
    model = keras.Model(x, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    picture = maps(1, 23, 30, 2)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model(picture)),
        ops.convert_to_numpy(loaded(picture)),
    )


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_gradient_gathers(data_format):
    """One step of SGD moves each value by the gradient at its position."""
    backend = keras.backend.backend()
    # TensorFlow compiles one of the two.
    jit_compile = backend == "jax" or (
        backend == "tensorflow" and data_format == "channels_first"
    )
    # The third window points where the second does and comes later.
    switches = np.array([[0, 3, 3], [11, 17, 19]], "int32")
    weight = np.arange(25, dtype="float32").reshape(5, 5)
    axes = (0, 1) if data_format == "channels_first" else (0, 3)

    class Values(keras.layers.Layer):
        def build(self, shape):
            self.values = self.add_weight(
                shape=(2, 3), initializer="zeros", name="values"
            )

        def call(self, switches):
            values = ops.expand_dims(self.values, axes)
            return values + 0 * ops.cast(switches, "float32")

    inputs = keras.Input(
        np.expand_dims(switches, axes).shape[1:], dtype="int32"
    )
    layer = MaxUnpool(3, (2, 1), data_format=data_format)
    values = Values()
    model = keras.Model(
        inputs, layer(values(inputs), inputs, output_size=(5, 5))
    )
    model.compile(
        keras.optimizers.SGD(1.0),
        lambda target, y: ops.sum(target * y),
        jit_compile=jit_compile,
    )
    model.fit(
        np.expand_dims(switches, axes),
        np.expand_dims(weight, axes),
        verbose=0,
    )
    expected = -weight.reshape(-1)[switches]
    expected[0, 1] = 0
    np.testing.assert_array_equal(values.get_weights()[0], expected)


def test_both_train():
    """Not compiled on TensorFlow, as each alone is in its check."""
    image = keras.Input((7, 9, 2))
    x = keras.layers.Conv2D(3, 1)(image)
    y = MaxUnpool(3, 2)(*MaxPoolWithIndices(3, 2)(x), x)
    model = keras.Model(image, y)
    jit_compile = keras.backend.backend() == "jax"
    model.compile("sgd", "mean_squared_error", jit_compile=jit_compile)
    before = model.get_weights()[0]
    model.fit(maps(2, 7, 9, 2), maps(2, 7, 9, 3), verbose=0)
    assert np.isfinite(model.get_weights()[0]).all()
    assert np.abs(model.get_weights()[0] - before).max() > 0


def test_pool_gives_the_gradient_to_the_first_maximum():
    image = keras.Input((4, 4, 1))

    class Picture(keras.layers.Layer):
        def build(self, shape):
            self.picture = self.add_weight(shape=(4, 4), initializer="zeros")

        def call(self, x):
            return x + ops.expand_dims(self.picture, (0, 3))

    picture = Picture()
    pooled, _ = MaxPoolWithIndices(2)(picture(image))
    model = keras.Model(image, pooled)
    model.compile(
        keras.optimizers.SGD(1.0), lambda target, y: ops.sum(target * y)
    )
    target = np.arange(1, 5, dtype="float32").reshape(1, 2, 2, 1)
    model.fit(np.zeros((1, 4, 4, 1), "float32"), target, verbose=0)
    expected = np.zeros((4, 4))
    expected[::2, ::2] = -target[0, :, :, 0]
    np.testing.assert_array_equal(picture.get_weights()[0], expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16"])
def test_half_precision(dtype):
    pooled, switches = MaxPoolWithIndices(2, dtype=dtype)(maps(1, 5, 5, 2))
    y = MaxUnpool(2, dtype=dtype)(pooled, switches, output_size=5)
    wanted = dtype.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(y.dtype) == wanted
    assert keras.backend.standardize_dtype(switches.dtype) == "int32"
    assert ops.convert_to_numpy(ops.cast(y != 0, "int32")).sum() == 18


def message(text):
    return re.escape(text)


def test_bad_input():
    with pytest.raises(ValueError, match="Received: pool_size=0"):
        MaxPoolWithIndices(0)
    with pytest.raises(ValueError, match="Received: strides=1.5"):
        MaxUnpool(2, (1.5, 2))
    with pytest.raises(ValueError, match="Received: rounding='round'"):
        MaxPoolWithIndices(2, rounding="round")
    with pytest.raises(
        ValueError,
        match=message(
            "A window of 3 does not fit into 2 positions; with "
            "rounding='ceil' it would be cut off. Received: pool_size=3, "
            "size=2"
        ),
    ):
        MaxPoolWithIndices(3, rounding="floor")(keras.Input((2, 5, 1)))


def test_switches_that_do_not_fit():
    pooled = keras.Input((12, 15, 3))
    switches = keras.Input((12, 15, 3), dtype="int32")
    layer = MaxUnpool(2)
    for height in (23, 24, 25):
        assert layer(pooled, switches, output_size=(height, 30)).shape == (
            None,
            height,
            30,
            3,
        )
    for height in (22, 26):
        with pytest.raises(
            ValueError,
            match=message(
                "Indices of 12 windows of 2 with stride 2 do not fit "
                f"{height} positions, only 23 to 25. Received: "
                f"size=({height}, 30), pooled of shape (None, 12, 15, 3)"
            ),
        ):
            layer(pooled, switches, output_size=(height, 30))
    with pytest.raises(ValueError, match="22 positions, only 23 to 25"):
        MaxUnpool(2)(pooled, switches, keras.Input((22, 30, 1)))
    with pytest.raises(ValueError, match="Received: output_size=0"):
        MaxUnpool(2)(pooled, switches, output_size=(0, 30))
    with pytest.raises(ValueError, match="not both. Received: output_size"):
        MaxUnpool(2)(pooled, switches, pooled, output_size=(23, 30))
    with pytest.raises(ValueError, match="must have the shape of the pooled"):
        MaxUnpool(2)(pooled, keras.Input((12, 14, 3), dtype="int32"))
    with pytest.raises(ValueError, match="Received: indices of float32"):
        MaxUnpool(2)(pooled, pooled)
    with pytest.raises(ValueError, match="22 positions, only 23 to 25"):
        MaxUnpool(2)(
            maps(1, 12, 15, 1),
            np.zeros((1, 12, 15, 1), "int32"),
            output_size=(22, 30),
        )
