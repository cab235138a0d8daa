import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import DeconvNet
from keras_seg.applications.vgg_switches import begin_from_vgg16
from keras_seg.applications.vgg_switches import vgg16_blocks
from tests.model_check import check_model
from tests.networks import application
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import without_values
from tests.unpooling_check import check_unpooling

BACKEND = keras.backend.backend()


def tiny(**options):
    # With fewer channels these random weights let no image through.
    options = {"filters": 3, "hidden_filters": 8, **options}
    return DeconvNet(weights=None, **options)


def tiny_vgg16(weights=None, include_top=True):
    """VGG16's layers with the channels of `tiny`, as keras builds them."""
    image = x = keras.Input((224, 224, 3))
    for block, widths in enumerate(vgg16_blocks(3), start=1):
        for number, width in enumerate(widths, start=1):
            name = f"block{block}_conv{number}"
            x = layers.Conv2D(width, 3, padding="same", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    if include_top:
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(8, "relu", name="fc1")(x)
        x = layers.Dense(8, "relu", name="fc2")(x)
        x = layers.Dense(5, "softmax", name="predictions")(x)
    return keras.Model(image, x)


def test_model(tmp_path, parity):
    check_model(tiny, tmp_path, parity)


@pytest.mark.once
def test_parameters_of_the_paper():
    """papers.md 10.1; batch norm's are 2 · 16,704."""
    with without_values():
        model = DeconvNet(weights=None)
    counts = {"encoder": 0, "decoder": 0, "score": 0, "norm": 0}
    for layer in model.layers:
        count = sum(int(np.prod(w.shape)) for w in layer.trainable_weights)
        part = layer.name.split("_")[0].rstrip("12345")
        part = {"block": "encoder", "fc": "encoder"}.get(part, part)
        part = "norm" if layer.name.endswith("_norm") else part
        if count:
            counts[part] += count
    assert counts == {
        "encoder": 134_260_544,
        "decoder": 117_510_336,
        "score": 1_365,
        "norm": 33_408,
    }
    assert sum(counts.values()) == 251_805_653


@pytest.mark.once
@pytest.mark.parametrize(
    "size, maps, hidden",
    [
        # papers.md 10.1.
        (
            (224, 224),
            [(7, 7), (14, 14), (28, 28), (56, 56), (112, 112)],
            (1, 1),
        ),
        # ceil(n / 32) each, and 7 - 1 fewer in the middle.
        (
            (330, 400),
            [(11, 13), (21, 25), (42, 50), (83, 100), (165, 200)],
            (5, 7),
        ),
        ((1, 225), [(7, 8), (14, 15), (28, 29), (56, 57), (112, 113)], (1, 2)),
    ],
)
def test_sizes_of_the_paper(size, maps, hidden):
    model = DeconvNet(None, input_shape=(*size, 3), filters=1, hidden_filters=4)
    padded = tuple(max(224, n) for n in size)

    def size_of(name):
        output = model.get_layer(name).output
        output = output[0] if isinstance(output, list | tuple) else output
        return output.shape[1:3]

    pools = [size_of(f"block{n}_pool") for n in (5, 4, 3, 2, 1)]
    assert pools == maps
    assert size_of("fc1") == size_of("fc2") == hidden
    assert size_of("decoder_fc1") == maps[0]
    unpooled = [size_of(f"unpool{n}") for n in (5, 4, 3, 2, 1)]
    assert unpooled == [*maps[1:], padded]
    assert model.output_shape == (None, *size, 21)


@pytest.mark.once
def test_channels_of_the_paper():
    """papers.md 10.1: what follows each un-pooling, for 64 filters."""
    model = DeconvNet(None, filters=1, hidden_filters=4)
    found = [
        (layer.name, layer.filters)
        for layer in model.layers
        if isinstance(layer, layers.Conv2DTranspose)
    ]
    plan = {5: (8, 8, 8), 4: (8, 8, 4), 3: (4, 4, 2), 2: (2, 1), 1: (1, 1)}
    expected = [("decoder_fc1", 8)]
    for block, widths in plan.items():
        for place, width in enumerate(widths):
            name = f"decoder{block}_conv{len(widths) - place}"
            expected.append((name, width))
    assert found == expected


def test_places_pass_and_nothing_else():
    image = np.random.default_rng(0).uniform(0, 255, (1, 37, 46, 3))
    check_unpooling(randomize(tiny()), 3, image)


@pytest.mark.once
def test_small_images_are_padded():
    """By zeros, below and on the right."""
    model = randomize(tiny(include_preprocessing=False))
    small = np.random.default_rng(0).normal(0, 50, (1, 230, 150, 3))
    padded = np.pad(small, [(0, 0), (0, 0), (0, 74), (0, 0)])
    np.testing.assert_allclose(
        outputs(model, small),
        outputs(model, padded)[:, :, :150],
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_transposed_convolutions(data_format):
    """papers.md 10.5: at stride 1 they are convolutions, the kernel turned."""
    model = tiny(data_format=data_format)
    layer = model.get_layer("decoder3_conv1")
    convolution = layers.Conv2D(
        layer.filters, 3, padding="same", data_format=data_format
    )
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 12)).astype("float32")
    if data_format == "channels_first":
        x = np.moveaxis(x, -1, 1)
    convolution.build(x.shape)
    kernel = layer.get_weights()[0]
    bias = np.linspace(-1, 1, layer.filters)
    layer.set_weights([kernel, bias])
    convolution.set_weights([kernel[::-1, ::-1].transpose(0, 1, 3, 2), bias])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer(x)),
        keras.ops.convert_to_numpy(convolution(x)),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.once
def test_from_a_vector_to_a_map():
    """The first one makes 7×7 positions of one, each with its own weights."""
    layer = tiny().get_layer("decoder_fc1")
    x = np.random.default_rng(0).normal(size=(2, 1, 1, 8)).astype("float32")
    kernel = layer.get_weights()[0]
    assert kernel.shape == (7, 7, 24, 8)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer(x)),
        np.einsum("bc,ijfc->bijf", x[:, 0, 0], kernel),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.once
def test_decoder_begins_normal():
    """papers.md 10.2: sigma 0.01; each kernel by itself."""
    model = DeconvNet(None, filters=16, hidden_filters=64)
    kernels = [
        model.get_layer(name).get_weights()[0]
        for name in ("decoder_fc1", "decoder5_conv3", "decoder5_conv2")
    ]
    for kernel in kernels:
        assert np.std(kernel) == pytest.approx(0.01, rel=0.02)
        assert abs(np.mean(kernel)) < 1e-4
    assert np.abs(np.corrcoef(kernels[1].flat, kernels[2].flat)[0, 1]) < 0.02


@pytest.mark.once
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_encoder_begins_from_vgg16(channels, tmp_path, monkeypatch):
    """The fully connected layers too: 7·7·24 weights a filter, in order."""
    monkeypatch.setattr(keras.applications, "VGG16", tiny_vgg16)
    vgg = randomize(tiny_vgg16())
    path = tmp_path / "vgg.weights.h5"
    vgg.save_weights(path)
    model = tiny(input_shape=(None, None, channels))
    begin_from_vgg16(model, str(path), channels, include_top=True)
    assert_begins_from(model, vgg)


@pytest.mark.slow
def test_vgg16_itself(tmp_path):
    vgg = application("VGG16")
    path = tmp_path / "vgg.weights.h5"
    vgg.save_weights(path)
    assert_begins_from(DeconvNet(str(path), classes=2), vgg)


def assert_begins_from(model, vgg):
    compared = 0
    for layer in vgg.layers:
        if not layer.weights or layer.name == "predictions":
            continue
        kernel, bias = model.get_layer(layer.name).get_weights()
        expected, expected_bias = layer.get_weights()
        if layer.name in ("fc1", "fc2"):
            window = {"fc1": 7, "fc2": 1}[layer.name]
            expected = expected.reshape(window, window, -1, kernel.shape[-1])
        if layer.name == "block1_conv1":
            assert not kernel[:, :, 3:].any()
            kernel = kernel[:, :, :3]
            expected = expected[:, :, : kernel.shape[2]]
        np.testing.assert_array_equal(kernel, expected)
        np.testing.assert_array_equal(bias, expected_bias)
        compared += 1
    assert compared == 13 + 2


@pytest.mark.once
def test_gray_is_every_color():
    model = tiny(input_shape=(None, None, 1))
    assert model.get_layer("block1_conv1").kernel.shape == (3, 3, 3, 3)
    inputs = keras.tree.flatten(model.get_layer("gray_to_rgb").input)
    image = model.get_layer("metadata").output
    assert [x is image for x in inputs] == [True] * 3


@pytest.mark.once
def test_frozen_batch_norm():
    """Kernels and biases of 13 + 2 + 1 + 13 + 1 layers are left to train."""
    model = tiny(freeze_batch_norm=True)
    assert len(model.trainable_weights) == 2 * 30


@pytest.mark.once
def test_bad_arguments(tmp_path, monkeypatch):
    path = tmp_path / "some.weights.h5"
    path.write_bytes(b"")
    for option in ("filters", "hidden_filters"):
        with pytest.raises(ValueError, match=f"Received: weights=.*{option}=8"):
            DeconvNet(str(path), **{option: 8})
        with pytest.raises(ValueError, match=f"Received: {option}=0"):
            DeconvNet(None, **{option: 0})
    with pytest.raises(ValueError, match="Received: classes=0"):
        DeconvNet(None, classes=0)
    with pytest.raises(ValueError, match="weights='no.h5', which does not"):
        DeconvNet("no.h5")
    if BACKEND == "torch":
        monkeypatch.setattr(keras.applications, "VGG16", tiny_vgg16)
        tiny_vgg16(include_top=False).save_weights(path)
        with pytest.raises(ValueError, match="does not hold the weights of"):
            begin_from_vgg16(tiny(), str(path), 3, include_top=True)
