import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_seg.layers import ASPP
from tests.compiled import compiled
from tests.layer_check import check_layer


def picture(height=9, width=8, channels=3, batch=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, height, width, channels)).astype("float32")


@pytest.mark.parametrize(
    "config, trainable_weights",
    [
        ({"version": "v3"}, 12),
        ({"version": "v3", "normalization": "group"}, 12),
        ({"version": "v2_vgg16", "hidden_filters": 6}, 6),
    ],
)
def test_layer(config, trainable_weights):
    check_layer(
        ASPP,
        {"filters": 4, "atrous_rates": (2,), **config},
        picture(5, 4),
        trainable_weights=trainable_weights,
        # See `test_batch_of_one_learns_otherwise`.
        train="normalization" not in config,
    )


def test_without_rates():
    layer = ASPP(4, atrous_rates=())
    assert tuple(layer(picture(5, 4)).shape) == (2, 5, 4, 4)
    assert len(layer.trainable_weights) == 9


def parameters(layer, channels):
    layer.build((None, None, None, channels))
    return sum(int(np.prod(w.shape)) for w in layer.trainable_weights)


def test_parameters_of_v2_on_vgg16():
    """fc6 4,719,616, fc7 1,049,600, fc8 21,525 a branch (DeepLab v2)."""
    layer = ASPP(21, (6, 12, 18, 24), version="v2_vgg16")
    assert parameters(layer, 512) == 4 * 5_790_741
    assert parameters(ASPP(21, (12,), "v2_vgg16"), 512) == 5_790_741


def test_parameters_of_v2_on_resnet():
    """Four 3×3 convolutions of 2048 to 21 channels, with bias."""
    assert parameters(ASPP(21, (6, 12, 18, 24), "v2"), 2048) == 1_548_372
    assert parameters(ASPP(21, (12,), "v2"), 2048) == 387_093


@pytest.mark.parametrize("normalization", ["batch", "group"])
def test_parameters_of_v3(normalization):
    """Convolutions, the projection, γ and β of six norms (DeepLab v3)."""
    layer = ASPP(256, normalization=normalization)
    count = parameters(layer, 2048)
    assert count == 15_204_352 + 327_680 + 2 * 1_536
    # With the scores of 21 classes the whole head has 15,540,501.
    assert count + 256 * 21 + 21 == 15_540_501


def test_v2_is_the_sum_of_its_branches():
    x = picture()
    layer = ASPP(4, (2, 9), version="v2")
    y = ops.convert_to_numpy(layer(x))
    total = 0
    for kernel, bias, rate in zip(
        layer.get_weights()[::2], layer.get_weights()[1::2], (2, 9), strict=True
    ):
        conv = keras.layers.Conv2D(4, 3, dilation_rate=rate, padding="same")
        conv.build(x.shape)
        conv.set_weights([kernel, bias])
        total = total + ops.convert_to_numpy(conv(x))
    np.testing.assert_allclose(y, total, rtol=1e-5, atol=1e-5)


def functional(x, layer):
    """The papers' networks, of Keras layers with the names of ours."""
    layers = keras.layers
    if layer.version == "v2_vgg16":
        branches = []
        for number, rate in enumerate(layer.atrous_rates, start=1):
            y = layers.Conv2D(
                layer.hidden_filters,
                3,
                dilation_rate=rate,
                padding="same",
                activation="relu",
                name=f"fc6_{number}",
            )(x)
            y = layers.Conv2D(
                layer.hidden_filters,
                1,
                activation="relu",
                name=f"fc7_{number}",
            )(y)
            y = layers.Conv2D(layer.filters, 1, name=f"fc8_{number}")(y)
            branches.append(y)
        return layers.add(branches)

    def block(y, conv, norm, size=1, rate=1):
        y = layers.Conv2D(
            layer.filters,
            size,
            dilation_rate=rate,
            padding="same",
            use_bias=False,
            name=conv,
        )(y)
        y = layers.BatchNormalization(epsilon=1e-5, name=norm)(y)
        return layers.ReLU()(y)

    branches = [block(x, "conv_0", "norm_0")]
    for n, rate in enumerate(layer.atrous_rates, start=1):
        branches.append(block(x, f"conv_{n}", f"norm_{n}", 3, rate))
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    pooled = block(pooled, "pool_conv", "pool_norm")
    pooled = layers.UpSampling2D(x.shape[1:3], interpolation="bilinear")(pooled)
    joined = layers.concatenate([*branches, pooled])
    return block(joined, "project_conv", "project_norm")


@pytest.mark.parametrize("version", ["v2_vgg16", "v3"])
def test_equals_keras_layers(version):
    x = picture()
    layer = ASPP(4, (2, 9), version=version, hidden_filters=5)
    layer.build(x.shape)
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, functional(inputs, layer))
    rng = np.random.default_rng(1)
    for part in model.layers:
        for weight in part.weights:
            value = rng.uniform(0.1, 1.0, size=weight.shape)
            weight.assign(value)
            (own,) = [
                w
                for w in layer.weights
                if w.path.endswith(f"/{part.name}/{weight.name}")
            ]
            own.assign(value)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)),
        ops.convert_to_numpy(model(x)),
        rtol=1e-4,
        atol=1e-4,
    )


def test_rates_of_another_output_stride():
    """DeepLab v3: 6, 12, 18 at output stride 16, doubled at 8."""
    layer = ASPP(32, dropout=0.0, normalization="group", name="head")
    denser = layer.for_output_stride(8)
    assert denser.atrous_rates == (12, 24, 36)
    assert denser.get_config() == {
        **layer.get_config(),
        "atrous_rates": (12, 24, 36),
    }
    assert denser.for_output_stride(16, 8).atrous_rates == layer.atrous_rates
    assert layer.for_output_stride(32).atrous_rates == (3, 6, 9)
    with pytest.raises(ValueError, match="Received: output_stride=64"):
        layer.for_output_stride(64)
    # The weights do not depend on the rates.
    x = picture()
    layer.build(x.shape)
    denser.build(x.shape)
    denser.set_weights(layer.get_weights())


def test_saved_and_loaded(tmp_path):
    for version in ("v2_vgg16", "v2", "v3"):
        inputs = keras.Input((None, None, 3))
        layer = ASPP(4, (1, 3), version, hidden_filters=4)
        model = keras.Model(inputs, layer(inputs))
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        for new, old in zip(loaded.weights, model.weights, strict=True):
            np.testing.assert_array_equal(
                ops.convert_to_numpy(new), ops.convert_to_numpy(old)
            )


def test_branches_start_from_different_kernels():
    layer = ASPP(
        4, (1, 3), "v2", kernel_initializer=keras.initializers.HeNormal()
    )
    layer.build((None, None, None, 3))
    first, _, second, _ = layer.get_weights()
    assert np.abs(first - second).max() > 0.01


def pooled_branch_learns(layer):
    """Whether a step at batch 1 moves the kernel of the image pooling."""
    x = picture(batch=1)
    inputs = keras.Input(batch_shape=x.shape)
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.SGD(1.0), "mean_squared_error")
    before = ops.convert_to_numpy(layer.form.pool_conv.kernel)
    target = np.ones((1, 9, 8, layer.filters), "float32")
    model.train_on_batch(x, target)
    after = ops.convert_to_numpy(layer.form.pool_conv.kernel)
    return np.abs(after - before).max() > 1e-6


def test_batch_of_one_with_batch_norm_warns_that_a_branch_is_dead():
    layer = ASPP(2, (), name="head")
    with pytest.warns(UserWarning, match="'head' is trained.*batch of 1"):
        assert not pooled_branch_learns(layer)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        layer(picture(batch=1), training=True)  # Once is enough.
        ASPP(2, ())(picture(batch=2), training=True)
        ASPP(2, ())(picture(batch=1))


@pytest.mark.parametrize("normalization", ["group", "frozen"])
def test_batch_of_one_learns_otherwise(normalization):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        layer = ASPP(16, (), normalization=normalization)
        assert pooled_branch_learns(layer)


def test_frozen_keeps_its_statistics():
    layer = ASPP(4, (), normalization="frozen")
    x = picture()
    layer(x)
    before = layer.get_weights()
    layer.trainable = True
    layer(10 * x + 1, training=True)
    form = layer.form
    for norm in (*form.norms, form.pool_norm, form.project_norm):
        assert not ops.convert_to_numpy(norm.moving_mean).any()
    for new, old in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize(
    "arguments, received",
    [
        ({"filters": 0}, "filters=0"),
        (
            {"atrous_rates": (), "version": "v2"},
            r"atrous_rates=\(\), version='v2'",
        ),
        ({"atrous_rates": 6}, "atrous_rates=6"),
        ({"atrous_rates": (6, 0)}, "atrous_rates=0"),
        ({"atrous_rates": (6, 1.5)}, "atrous_rates=1.5"),
        ({"version": "v4"}, "version='v4'"),
        ({"normalization": "layer"}, "normalization='layer'"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"dropout": 0.5, "version": "v2"}, "dropout=0.5, version='v2'"),
        ({"hidden_filters": 0}, "hidden_filters=0"),
    ],
)
def test_bad_arguments(arguments, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        ASPP(**{"filters": 4, **arguments})


def test_half_precision_does_not_overflow():
    """The sum over this map is beyond the largest float16, 65504."""
    x = np.full((2, 30, 30, 3), 100.0, "float32")
    layer = ASPP(4, (), dtype="mixed_float16")
    layer.build(x.shape)
    y = compiled(layer)(x)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    y = ops.convert_to_numpy(y)
    assert np.isfinite(y).all()
