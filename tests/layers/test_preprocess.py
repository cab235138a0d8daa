import keras
import numpy as np
import pytest

from keras_seg.layers import Preprocess
from tests.layer_check import check_layer


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_equals_keras_applications(mode):
    x = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3))
    x = x.astype("float32")
    expected = keras.applications.imagenet_utils.preprocess_input(
        x.copy(), data_format="channels_last", mode=mode
    )
    check_layer(Preprocess, {"mode": mode}, x, expected_output=expected)


def test_takes_integers():
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), "uint8")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(Preprocess("tf")(x)),
        keras.ops.convert_to_numpy(Preprocess("tf")(x.astype("float32"))),
    )


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: mode='imagenet'"):
        Preprocess("imagenet")
    with pytest.raises(ValueError, match="3 channels"):
        Preprocess("caffe")(np.zeros((1, 2, 2, 2)))


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_further_channels_stay_behind_the_colours(mode):
    """Offset and divisor: the means of those of the three colours."""
    x = np.random.default_rng(0).uniform(0, 255, (1, 2, 3, 5))
    y = keras.ops.convert_to_numpy(Preprocess(mode)(x))
    colours = keras.ops.convert_to_numpy(Preprocess(mode)(x[..., :3]))
    np.testing.assert_allclose(y[..., :3], colours, rtol=1e-6)
    offset, divisor = {
        "caffe": ((103.939 + 116.779 + 123.68) / 3, 1.0),
        "tf": (127.5, 127.5),
        "torch": (255 * 1.347 / 3, 255 * 0.678 / 3),
    }[mode]
    np.testing.assert_allclose(
        y[..., 3:], (x[..., 3:] - offset) / divisor, rtol=1e-4, atol=1e-4
    )
