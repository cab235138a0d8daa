"""Where scores lie does not depend on the size of the image."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import DeepLabV2
from keras_seg.applications import DeepLabV3
from keras_seg.applications import FCN8s
from keras_seg.applications import FCN32s
from keras_seg.applications import UNet
from tests.networks import outputs
from tests.networks import randomize


def encoder():
    """Five strides of "same" convolutions, which pad by the map's parity."""
    x = image = keras.Input((None, None, 3))
    for filters in (4, 5, 6, 7, 8):
        x = layers.Conv2D(
            filters, 3, strides=2, padding="same", activation="relu"
        )(x)
    # A stride that is removed shows in the layers behind it.
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    return keras.Model(image, x, name="encoder")


def before_the_mean(model):
    """The map that the pyramid, which looks at the whole of it, is given."""
    return keras.Model(model.input, model.get_layer("aspp").input)


BUILDERS = {
    "FCN32s": lambda: FCN32s(encoder(), classes=2),
    "FCN8s": lambda: FCN8s(encoder(), classes=2),
    "UNet": lambda: UNet(encoder(), classes=2, filters=2),
    "DeepLabV2": lambda: DeepLabV2(encoder(), classes=2, atrous_rates=(1, 2)),
    "DeepLabV3_16": lambda: before_the_mean(
        DeepLabV3(encoder(), classes=2, atrous_rates=(1, 2))
    ),
    "DeepLabV3_8": lambda: before_the_mean(
        DeepLabV3(encoder(), classes=2, atrous_rates=(1, 2), output_stride=8)
    ),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_more_rows_below_change_nothing_above(name):
    if keras.backend.backend() == "jax" and name not in ("FCN8s", "UNet"):
        pytest.skip("compiled one by one: the graphs are PyTorch's")
    model = randomize(BUILDERS[name]())
    image = np.random.default_rng(0).uniform(0, 255, (1, 352, 33, 3))
    scores = [outputs(model, image[:, :rows]) for rows in (290, 304, 321, 352)]
    stride = 352 // scores[-1].shape[1]
    # No network sees further than 256 pixels.
    above = [y[:, : 32 // stride] for y in scores]
    assert above[0].shape[1] > 0 and np.std(above[0]) > 0
    for other in above[1:]:
        np.testing.assert_allclose(other, above[0], rtol=1e-4, atol=1e-4)
