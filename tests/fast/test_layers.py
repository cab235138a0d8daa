import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seg.applications import FCN32s
from keras_seg.fast import BatchNorm
from keras_seg.fast import Conv
from keras_seg.fast import ConvTranspose
from keras_seg.fast import DepthwiseConv
from keras_seg.fast import MaxPool
from keras_seg.fast import SeparableConv
from keras_seg.fast.convolution import laid_out_as
from keras_seg.layers import AtrousConv
from tests.gradients import gradient
from tests.layer_check import check_as_keras
from tests.layer_check import check_layer

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 9, 8, 4)).astype("float32")
FORMATS = ["channels_last", "channels_first"]
STRIDED = {"strides": 2, "padding": "same"}

torch_only = pytest.mark.skipif(
    keras.config.backend() != "torch",
    reason="the other backends run Keras's own",
)


@pytest.mark.parametrize(
    ("layer", "config", "trainable_weights"),
    [
        (Conv, {"filters": 5, "kernel_size": 3, "padding": "same"}, 2),
        (DepthwiseConv, {"kernel_size": 3, **STRIDED}, 2),
        (SeparableConv, {"filters": 5, "kernel_size": 3, **STRIDED}, 3),
        (MaxPool, {"pool_size": 3, **STRIDED}, 0),
    ],
)
def test_layer_check(layer, config, trainable_weights):
    check_layer(layer, config, IMAGES, trainable_weights=trainable_weights)


@pytest.mark.parametrize("trained", [True, False])
def test_batch_norm_layer(trained):
    """A fresh one has a mean of 0 and a variance of 1."""
    check_layer(
        BatchNorm,
        {"epsilon": 0.0, "trainable": trained},
        IMAGES,
        expected_output=IMAGES,
        trainable_weights=2 if trained else 0,
        formats=False,
        # Trained towards a constant, a normalized map has no gradient.
        train=not trained,
    )


@given(
    st.integers(1, 9),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from([1, 2]),
    st.integers(1, 3),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(FORMATS),
)
def test_conv_equals_keras(size, taps, stride, rate, padding, data_format):
    if stride > 1:  # Keras refuses both.
        rate = 1
    if padding == "valid":
        size = max(size, (max(taps) - 1) * rate + 1)
    check_as_keras(
        Conv,
        keras.layers.Conv2D,
        size,
        5,
        taps,
        strides=stride,
        padding=padding,
        dilation_rate=rate,
        data_format=data_format,
    )


@given(
    st.integers(1, 12),
    st.integers(1, 4),
    st.sampled_from([1, 2, 3]),
    st.integers(1, 3),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(FORMATS),
)
def test_depthwise_equals_keras(size, taps, stride, rate, padding, data_format):
    if stride > 1:  # Keras refuses both.
        rate = 1
    if padding == "valid":
        size = max(size, (taps - 1) * rate + 1)
    check_as_keras(
        DepthwiseConv,
        keras.layers.DepthwiseConv2D,
        size,
        taps,
        strides=stride,
        padding=padding,
        dilation_rate=rate,
        data_format=data_format,
    )


@torch_only
@given(
    st.integers(1, 9),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.one_of(st.none(), st.integers(1, 3)),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(FORMATS),
)
def test_max_pool_equals_keras(size, pool_size, strides, padding, data_format):
    if padding == "valid":
        size = max(size, *pool_size)
    check_as_keras(
        MaxPool,
        keras.layers.MaxPooling2D,
        size,
        pool_size,
        strides=strides,
        padding=padding,
        data_format=data_format,
    )


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("taps", [2, (3, 2), 3])
def test_transposed_equals_keras(taps, data_format):
    for padding in ("same", "valid"):
        check_as_keras(
            ConvTranspose,
            keras.layers.Conv2DTranspose,
            4,
            14,  # As many filters as columns: 2 times 4 + 3.
            taps,
            strides=2 if taps == 3 else taps,
            padding=padding,
            data_format=data_format,
        )


@pytest.mark.parametrize("data_format", FORMATS)
def test_separable_equals_keras(data_format):
    check_as_keras(
        SeparableConv,
        keras.layers.SeparableConv2D,
        9,
        5,
        3,
        data_format=data_format,
        **STRIDED,
    )


def test_groups():
    """As ResNeXt has: the kernel sees some of the channels."""
    check_as_keras(Conv, keras.layers.Conv2D, 9, 6, 3, groups=2, padding="same")


def test_several_filters_for_a_channel():
    check_as_keras(
        DepthwiseConv, keras.layers.DepthwiseConv2D, 9, 3, depth_multiplier=2
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "filters"),
    [
        (DepthwiseConv, keras.layers.DepthwiseConv2D, ()),
        # More than are left to XLA.
        (Conv, keras.layers.Conv2D, (20,)),
    ],
)
@pytest.mark.parametrize(
    ("batch", "taps", "stride", "rate", "padding", "data_format"),
    [
        (1, 3, 1, 1, "same", "channels_last"),
        (2, 3, 2, 1, "same", "channels_first"),
        # More images than go into one step.
        (11, 2, 3, 1, "valid", "channels_last"),
        (12, 3, 1, 4, "same", "channels_first"),
        (3, 5, 2, 1, "valid", "channels_last"),
        (2, 1, 2, 1, "same", "channels_last"),
    ],
)
def test_gradients_equal_keras(
    ours, theirs, filters, batch, taps, stride, rate, padding, data_format
):
    rng = np.random.default_rng(batch)
    images = rng.normal(size=(batch, 9, 12, 3)).astype("float32")
    if data_format == "channels_first":
        images = np.moveaxis(images, -1, 1)
    options = {
        "strides": stride,
        "dilation_rate": rate,
        "padding": padding,
        "data_format": data_format,
    }
    layers = [
        kind(*filters, taps, use_bias=False, **options)
        for kind in (ours, theirs)
    ]
    for layer in layers:
        layer.build(images.shape)
    kernel = rng.normal(size=layer.kernel.shape).astype("float32")
    weights = rng.normal(size=layer.compute_output_shape(images.shape))
    weights = weights.astype("float32")

    def gradients(layer):
        call = layer.stateless_call
        return (
            gradient(lambda x: call([kernel], [], x)[0], images, weights),
            gradient(lambda k: call([k], [], images)[0], kernel, weights),
        )

    # The sums of the kernel are of up to 1,300 products.
    for found, expected in zip(*map(gradients, layers), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@torch_only
def test_kernels_have_their_filters_first_in_memory():
    """As PyTorch's convolution takes them; their values are those drawn."""
    layer = Conv(4, (2, 3), kernel_initializer="normal")
    layer.build((None, 5, 6, 7))
    kernel = layer.kernel.value
    assert kernel.permute(3, 0, 1, 2).is_contiguous()
    drawn = np.random.default_rng(0).normal(size=(2, 3, 7, 4)).astype("float32")
    value = laid_out_as(ops.convert_to_tensor(drawn), layer.kernel)
    assert value.stride() == kernel.stride()
    np.testing.assert_array_equal(ops.convert_to_numpy(value), drawn)


@torch_only
def test_max_pool_gradient_equals_keras():
    weights = np.random.default_rng(1).normal(size=(2, 5, 4, 4))
    ours, keras_layer = (
        gradient(kind(3, 2, "same"), IMAGES, weights.astype("float32"))
        for kind in (MaxPool, keras.layers.MaxPooling2D)
    )
    np.testing.assert_allclose(ours, keras_layer, atol=1e-6)


def test_max_pool_of_integers():
    x = np.array([3, 1, 2, 5]).reshape(1, 1, 4, 1)
    found = ops.convert_to_numpy(MaxPool((1, 2), dtype="int32")(x))
    assert found.ravel().tolist() == [3, 5]


@torch_only
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"trainable": False},
        {"scale": False, "epsilon": 0.1},
        {"center": False, "momentum": 0.5},
        {"center": False, "scale": False, "trainable": False},
        {"axis": 1},
        {"axis": 2, "trainable": False},
    ],
)
def test_batch_norm_equals_keras(options):
    """Outputs, moving statistics and gradients, in training and after."""
    x = (RNG.normal(size=(3, 8, 9, 4)) * 5 + 20).astype("float32")
    target = RNG.normal(size=x.shape).astype("float32")
    results = []
    for kind in (BatchNorm, keras.layers.BatchNormalization):
        image = keras.Input(x.shape[1:])
        # A weight in front of it, which the gradient has to reach.
        before = keras.layers.Dense(4, kernel_initializer="identity")
        norm = kind(**options)
        model = keras.Model(image, norm(before(image)))
        for weight in norm.weights:
            value = np.random.default_rng(1).uniform(0.5, 2, weight.shape)
            weight.assign(value.astype("float32"))
        outputs = [
            ops.convert_to_numpy(model(x, training=t)) for t in (True, False)
        ]
        model.compile(keras.optimizers.SGD(0.1), "mean_squared_error")
        model.fit(x, target, epochs=2, verbose=0, shuffle=False)
        results.append([*outputs, *model.get_weights()])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@torch_only
def test_batch_norm_of_many_values_far_from_zero():
    """By the definition, in float64: the sums keep their digits."""
    x = RNG.normal(100.0, 1.0, (4, 100, 100, 2)).astype("float32")
    norm = BatchNorm(momentum=0.0)
    found = ops.convert_to_numpy(norm(x, training=True))
    exact = x.astype("float64")
    mean, variance = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    expected = (exact - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-4)
    moving = map(ops.convert_to_numpy, (norm.moving_mean, norm.moving_variance))
    np.testing.assert_allclose(next(moving), mean, rtol=5e-6)
    np.testing.assert_allclose(next(moving), variance, rtol=2e-5)


@torch_only
def test_batch_norm_of_a_constant_map():
    norm = BatchNorm(momentum=0.0)
    y = norm(np.full((2, 3, 3, 1), 7.0, "float32"), training=True)
    np.testing.assert_allclose(ops.convert_to_numpy(y), 0.0, atol=1e-3)
    assert 0 <= float(norm.moving_variance[0]) < 1e-6


@torch_only
def test_batch_norm_leaves_masks_and_renorm_to_keras():
    x = RNG.normal(size=(2, 6, 3)).astype("float32")
    mask = np.array([[True] * 4 + [False] * 2] * 2)
    for options, mask_or_none in (({}, mask), ({"renorm": True}, None)):
        ours, theirs = (
            ops.convert_to_numpy(
                kind(**options)(x, training=True, mask=mask_or_none)
            )
            for kind in (BatchNorm, keras.layers.BatchNormalization)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@torch_only
@pytest.mark.parametrize("build", [Conv, AtrousConv, SeparableConv])
def test_pytorch_takes_the_kernel_as_it_lies(build, tmp_path):
    """After training, saving and copying, too."""
    import torch

    def lies_well(model):
        layer = model.layers[-1]
        name = "pointwise_kernel" if build is SeparableConv else "kernel"
        kernel = getattr(layer, name)
        weight = kernel.value.permute(3, 2, 0, 1)
        return weight.is_contiguous(memory_format=torch.channels_last)

    image = keras.Input((None, None, 4))
    model = keras.Model(image, build(5, 3, padding="same")(image))
    assert lies_well(model)
    model.set_weights([w + 0.5 for w in model.get_weights()])
    model.compile("adam", "mean_squared_error")
    model.fit(IMAGES, np.ones((2, 9, 8, 5)), verbose=0)
    assert lies_well(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert lies_well(loaded)
    assert lies_well(keras.models.clone_model(model))
    np.testing.assert_array_equal(
        loaded.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0)
    )


@pytest.mark.once
def test_backbones_and_heads_get_them():
    """But for a subclass, which may do something else."""

    class Own(keras.layers.Conv2D):
        pass

    kinds = keras.layers
    image = keras.Input((None, None, 3))
    x = kinds.SeparableConv2D(4, 3, 2, "same")(image)
    x = kinds.DepthwiseConv2D(3, 2, "same")(x)
    x = kinds.MaxPooling2D()(x)
    x = Own(4, 3, 2, "same")(x)
    x = kinds.Conv2D(4, 3, 2, "same")(x)
    x = kinds.BatchNormalization()(x)
    model = FCN32s(keras.Model(image, x), classes=2)
    found = [type(layer) for layer in model.layers]
    for kind in (SeparableConv, DepthwiseConv, MaxPool, Own, BatchNorm):
        assert found.count(kind) == 1
    assert found.count(Conv) == 2
    assert not set(found) & {kinds.Conv2D, kinds.MaxPooling2D}


def test_lora(tmp_path):
    """LoRA adds a product that is 0 at first, is trained, and is saved."""
    keras.utils.set_random_seed(5)
    image = keras.Input((None, None, 3))
    model = keras.Model(image, Conv(4, 3, name="conv")(image))
    x = np.random.default_rng(1).normal(size=(2, 7, 6, 3)).astype("float32")
    before = model.predict(x, verbose=0)
    layer = model.get_layer("conv")
    layer.enable_lora(2)
    assert np.array_equal(model.predict(x, verbose=0), before)
    kernel = ops.convert_to_numpy(layer.kernel)
    model.compile("adam", "mse")
    model.fit(x, before + 1, epochs=2, verbose=0)
    after = model.predict(x, verbose=0)
    assert not np.allclose(ops.convert_to_numpy(layer.kernel), kernel)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), after, rtol=1e-5, atol=1e-5
    )
