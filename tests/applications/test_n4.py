import keras
import numpy as np
import pytest

from keras_seg.applications import N4
from tests.networks import outputs
from tests.networks import randomize


@pytest.mark.once
def test_parameters_and_sizes_of_the_paper():
    """papers.md 6.2, layer by layer."""
    model = N4()
    assert model.input_shape == (None, 95, 95, 1)
    assert model.count_params() == 219290
    plan = {
        "conv1": (92, 816),
        "pool1": (46, 0),
        "conv2": (42, 57648),
        "pool2": (21, 0),
        "conv3": (18, 36912),
        "pool3": (9, 0),
        "conv4": (6, 36912),
        "pool4": (3, 0),
    }
    for name, (side, parameters) in plan.items():
        layer = model.get_layer(name)
        assert layer.output.shape[1:] == (side, side, 48)
        assert layer.count_params() == parameters
    assert model.get_layer("fc1").count_params() == 86600
    assert model.get_layer("fc2").count_params() == 402


def test_formats_activation_and_preprocessing():
    window = np.random.default_rng(0).uniform(0, 255, (2, 63, 65, 3))
    model = randomize(N4((63, 65, 3), classes=4, filters=3))
    logits = outputs(model, window)
    assert logits.shape == (2, 4)

    first = N4((3, 63, 65), classes=4, filters=3, data_format="channels_first")
    first.set_weights(model.get_weights())
    turned = outputs(first, np.moveaxis(window, -1, 1))
    np.testing.assert_allclose(turned, logits, rtol=1e-4, atol=1e-5)
    assert N4(data_format="channels_first").input_shape == (None, 1, 95, 95)

    softmax = N4(
        (63, 65, 3), classes=4, classifier_activation="softmax", filters=3
    )
    softmax.set_weights(model.get_weights())
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(outputs(softmax, window), expected, rtol=1e-4)

    plain = N4((63, 65, 3), classes=4, include_preprocessing=False, filters=3)
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(
        outputs(plain, window / 127.5 - 1), logits, rtol=1e-4, atol=1e-5
    )


def test_logits_stay_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = N4((63, 63, 1), filters=2)
    assert model.compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"


@pytest.mark.parametrize("shape", [(62, 95, 1), (None, None, 1), (1, 95, 95)])
def test_windows_it_can_not_take(shape):
    with pytest.raises(ValueError, match="at least 63×63. Received: input_sh"):
        N4(shape)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: classes=0"):
        N4(classes=0)
    with pytest.raises(ValueError, match="Received: filters=1.5"):
        N4(filters=1.5)
