import keras
import numpy as np
import pytest

from keras_seg.layers import LocalResponseNormalization
from keras_seg.layers import Preprocess
from tests.layer_check import check_layer


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_equals_keras_applications(mode):
    x = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3))
    x = x.astype("float32")
    expected = keras.applications.imagenet_utils.preprocess_input(
        x.copy(), data_format="channels_last", mode=mode
    )
    if mode == "caffe":
        check_layer(Preprocess, {"mode": mode}, x, expected_output=expected)
    y = keras.ops.convert_to_numpy(Preprocess(mode)(x))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_takes_integers():
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), "uint8")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(Preprocess("tf")(x)),
        keras.ops.convert_to_numpy(Preprocess("tf")(x.astype("float32"))),
    )


def test_preprocess_bad_arguments():
    with pytest.raises(ValueError, match="Received: mode='imagenet'"):
        Preprocess("imagenet")
    with pytest.raises(ValueError, match="3 channels"):
        Preprocess("caffe")(np.zeros((1, 2, 2, 2)))


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_further_channels_stay_behind_the_colors(mode):
    """Offset and divisor: the means of those of the three colors."""
    x = np.random.default_rng(0).uniform(0, 255, (1, 2, 3, 5))
    y = keras.ops.convert_to_numpy(Preprocess(mode)(x))
    colors = keras.ops.convert_to_numpy(Preprocess(mode)(x[..., :3]))
    np.testing.assert_allclose(y[..., :3], colors, rtol=1e-6)
    offset, divisor = {
        "caffe": ((103.939 + 116.779 + 123.68) / 3, 1.0),
        "tf": (127.5, 127.5),
        "torch": (255 * 1.347 / 3, 255 * 0.678 / 3),
    }[mode]
    np.testing.assert_allclose(
        y[..., 3:], (x[..., 3:] - offset) / divisor, rtol=1e-4, atol=1e-4
    )


def formula(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """Channel by channel, the neighbors cut off at the first and last."""
    x = x.astype("float64")
    result = np.empty_like(x)
    for c in range(x.shape[-1]):
        near = x[..., max(0, c - size // 2) : c + size // 2 + 1]
        scale = k + alpha / size * np.square(near).sum(-1)
        result[..., c] = x[..., c] / scale**beta
    return result


@pytest.mark.parametrize(
    "config, channels",
    [
        ({}, 3),
        ({"size": 9, "alpha": 0.1, "beta": 1.0}, 4),
        ({"size": 1, "alpha": 0.1}, 1),
    ],
)
def test_formula(config, channels):
    x = np.random.default_rng(0).normal(0, 9, (2, 3, 4, channels))
    y = LocalResponseNormalization(**config)(x.astype("float32"))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(y), formula(x, **config), rtol=1e-5
    )


def test_layer():
    config = {"size": 3, "alpha": 0.5, "beta": 0.5, "k": 2.0}
    x = np.random.default_rng(0).normal(0, 9, (2, 4, 5, 7)).astype("float32")
    check_layer(
        LocalResponseNormalization,
        config,
        x,
        expected_output=formula(x, **config).astype("float32"),
    )


@pytest.mark.once
@pytest.mark.parametrize("size", [1, 3, 5, 11])
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_equals_pytorch(size, channels):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).uniform(0, 255, (1, channels, 3, 4))
    x = x.astype("float32")
    expected = torch.nn.functional.local_response_norm(
        torch.from_numpy(x), size
    )
    layer = LocalResponseNormalization(size, data_format="channels_first")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer(x)), expected.numpy(), rtol=1e-5
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_of_bright_images(dtype):
    """255² is more than float16 holds."""
    x = np.full((1, 1, 1, 3), 255, "uint8")
    y = LocalResponseNormalization(dtype=dtype)(x)
    y = keras.ops.convert_to_numpy(keras.ops.cast(y, "float32"))
    np.testing.assert_allclose(y, formula(x), rtol=4e-3)


def test_local_response_bad_arguments():
    with pytest.raises(ValueError, match="Received: size=0"):
        LocalResponseNormalization(0)
    with pytest.raises(ValueError, match="must be odd.*Received: size=4"):
        LocalResponseNormalization(4)
    with pytest.raises(ValueError, match="input_shape=.*None, None"):
        LocalResponseNormalization()(keras.Input((None, None, None)))
