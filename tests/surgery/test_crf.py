import keras
import numpy as np
import pytest

from keras_seg.crf import DenseCRF
from keras_seg.surgery import add_crf
from keras_seg.surgery import average_views
from tests.networks import outputs
from tests.networks import randomize

RNG = np.random.default_rng(0)
SETTINGS = {"iterations": 2, "gaussian": {"sxy": 1.0, "weight": 3.0}}


def network(data_format="channels_last", activation=None):
    first = data_format == "channels_first"
    image = keras.Input((3, None, None) if first else (None, None, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(3, 1, data_format=data_format)(x)
    if first:
        x = keras.layers.Permute((2, 3, 1))(x)
    if activation:
        x = keras.layers.Activation(activation)(x)
    return randomize(keras.Model(image, x))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_equals_the_layer(data_format):
    model = network(data_format)
    image = RNG.uniform(0, 255, (1, 9, 12, 3)).astype("float32")
    given = image
    if data_format == "channels_first":
        given = np.moveaxis(image, -1, 1)
    crf = DenseCRF(data_format="channels_last", **SETTINGS)
    expected = crf(outputs(model, given), image)
    refined = add_crf(model, **SETTINGS)
    np.testing.assert_allclose(
        outputs(refined, given),
        keras.ops.convert_to_numpy(expected),
        rtol=1e-4,
        atol=1e-4,
    )


def test_probabilities():
    """A logit may have the same number added to it for each class."""
    logits, softmax = network(), network(activation="softmax")
    softmax.set_weights(logits.get_weights())
    image = RNG.uniform(0, 255, (1, 9, 12, 3)).astype("float32")
    found = [
        outputs(add_crf(logits, **SETTINGS), image),
        outputs(add_crf(softmax, from_logits=False, **SETTINGS), image),
    ]
    one, other = (x - x.mean(axis=-1, keepdims=True) for x in found)
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_behind_views_and_saved(tmp_path):
    model = add_crf(average_views(network(), (0.5, 1.0)), **SETTINGS)
    image = RNG.uniform(0, 255, (1, 9, 12, 3)).astype("float32")
    expected = outputs(model, image)
    assert expected.shape == (1, 9, 12, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(
        outputs(loaded, image), expected, rtol=1e-5, atol=1e-5
    )
