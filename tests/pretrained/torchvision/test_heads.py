import keras
import numpy as np
import pytest

from keras_seg.pretrained.torchvision import heads

pytestmark = pytest.mark.once  # The graph is the same on every backend.


def learned(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


# peers.md 3.1 (with and without the auxiliary head), less the 23,508,032 of
# ResNet-50 (papers.md 2.2).
@pytest.mark.parametrize(
    "head, channels, parameters",
    [
        (heads.deeplab, 2048, 39_638_869 - 23_508_032),
        (heads.fcn, 2048, 32_957_013 - 23_508_032),
        (heads.fcn, 1024, 42_004_074 - 39_638_869),
    ],
)
def test_parameters_and_names(head, channels, parameters):
    x = keras.Input((9, 7, channels))
    scores, names = head(x, 21, "channels_last")
    assert scores.shape == (None, 9, 7, 21)
    model = keras.Model(x, scores)
    assert learned(model) == parameters
    named = {layer.name for layer in model.layers if layer.weights}
    assert named == names.keys()


def test_lraspp():
    """Convolutions without biases but for the two that make scores."""
    high, low = keras.Input((5, 4, 960)), keras.Input((9, 7, 40))
    scores, names = heads.lraspp(high, low, 21, "channels_last")
    assert scores.shape == (None, 9, 7, 21)
    model = keras.Model([high, low], scores)
    assert learned(model) == 2 * 960 * 128 + 2 * 128 + (128 + 40 + 2) * 21
    named = {layer.name for layer in model.layers if layer.weights}
    assert named == names.keys()
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.epsilon, layer.momentum) == (1e-5, 0.9)
