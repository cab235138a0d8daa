"""Monte-Carlo dropout, against the probability of each outcome."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg import surgery
from keras_seg.applications import UNet
from keras_seg.inference import predict
from keras_seg.layers import ASPP
from keras_seg.layers import SampledDropout
from tests.layer_check import check_layer
from tests.networks import randomize


def one_pixel(rate):
    """Scores 0 and x / 100, where x is dropped or divided by 1 - rate."""
    image = keras.Input((None, None, 3))
    x = layers.Dropout(rate)(image)
    # Of the first channel.
    convolution = layers.Conv2D(2, 1)
    model = keras.Model(image, convolution(x))
    kernel = np.zeros((1, 1, 3, 2), "float32")
    kernel[0, 0, 0, 1] = 0.01
    convolution.set_weights([kernel, np.zeros(2, "float32")])
    return model


def test_layer():
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
    config = {"rate": 0.0}
    check_layer(SampledDropout, config, x, expected_output=x, formats=False)


def test_the_mean_over_what_can_be_dropped():
    model = surgery.sample_dropout(one_pixel(0.5), 8, from_logits=True)
    image = np.full((1, 64, 64, 3), 100, "uint8")
    scores = np.asarray(model.predict_on_batch(image))
    p = 1 / (1 + np.exp(scores[..., 0] - scores[..., 1]))
    # x / 100 is 2, or 0, with a chance of one half.
    two = 1 / (1 + np.exp(-2))
    assert p.mean() == pytest.approx((0.5 + two) / 2, abs=0.005)
    # Of 8 samples k have 2.
    steps = 0.5 + (two - 0.5) * np.arange(9) / 8
    assert np.abs(p[..., None] - steps).min(axis=-1).max() < 1e-4
    assert len(np.unique(p.round(4))) > 4
    other = np.asarray(model.predict_on_batch(image))
    assert np.abs(other - scores).max() > 0.01


def test_a_network(tmp_path):
    """Its mean nears the network without dropout, and a file samples, too."""
    model = randomize(UNet(classes=3, filters=4, depth=2, dropout=0.2))
    weights = [np.asarray(w) for w in model.weights]
    sampled = surgery.sample_dropout(model, 3)
    sampled.save(tmp_path / "sampled.keras")
    loaded = keras.models.load_model(tmp_path / "sampled.keras")
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), "uint8")
    probabilities = [
        next(predict(x, image[None], probabilities=True)).probabilities
        for x in (model, sampled, loaded, loaded)
    ]
    plain, *others = (p.astype("float32") for p in probabilities)
    for other in others:
        assert 0 < np.abs(other - plain).mean() < 0.25
    assert (others[1] != others[2]).any()
    for before, after in zip(weights, model.weights, strict=True):
        np.testing.assert_array_equal(before, np.asarray(after))


@pytest.mark.once
def test_what_cannot_be_sampled():
    with pytest.raises(ValueError, match="'unet', without"):
        surgery.sample_dropout(UNet(classes=2, filters=2, depth=1, dropout=0))
    image = keras.Input((None, None, 3))
    inside = keras.Model(image, ASPP(2, (2,), dropout=0.5, name="aspp")(image))
    spatial = keras.Model(image, layers.SpatialDropout2D(0.5, name="s")(image))
    for model, named in ((inside, "'aspp'"), (spatial, "'s'")):
        with pytest.raises(ValueError, match=named):
            surgery.sample_dropout(model, from_logits=True)
