import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.surgery.parity import pad_by_parity
from tests.networks import application
from tests.networks import outputs
from tests.networks import relative_difference


def picture(height, width):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (1, height, width, 3)).astype("float32")


@pytest.mark.once
@pytest.mark.parametrize(
    "name", ["MobileNet", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0"]
)
def test_as_networks_of_known_sizes(name):
    """Keras's own padding, where it knows the size, is the reference."""
    model = application(name, include_top=False)
    fitted = pad_by_parity(model)
    sizes = [(64, 96), (65, 97), (75, 50)]
    if name == "MobileNet":
        sizes = sizes[:1]  # It takes every map for even.
    for size in sizes:
        builder = getattr(keras.applications, name)
        known = builder(include_top=False, weights=None, input_shape=(*size, 3))
        known.set_weights(model.get_weights())
        x = picture(*size)
        expected = outputs(known, x)
        assert relative_difference(outputs(fitted, x), expected) < 1e-5


def test_other_paddings_stay():
    x = image = keras.Input((None, None, 3))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="shared")(x)
    first = layers.Conv2D(2, 3, 2)(x)
    second = layers.AveragePooling2D(3, 2)(x)
    x = layers.Concatenate()([first, second])
    x = layers.ZeroPadding2D(1, name="even")(x)
    x = layers.Conv2D(2, 3, 2)(x)
    model = keras.Model(image, x)
    assert pad_by_parity(model) is model
    resnet = keras.applications.ResNet50(include_top=False, weights=None)
    assert pad_by_parity(resnet) is resnet
