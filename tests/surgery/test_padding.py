import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.layers import AtrousMaxPool
from keras_seg.layers import PadToMultiple
from keras_seg.surgery import set_output_stride
from keras_seg.surgery.padding import check_unpadded
from keras_seg.surgery.padding import pad_by_parity
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
    sizes = [(64, 97), (75, 50)]
    if name == "MobileNet":
        sizes = [(64, 96)]  # It takes every map for even.
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


def network(*middle):
    return keras.Sequential([keras.Input((12, 12, 3)), *middle])


def test_takes_what_sees_the_same_everywhere():
    window = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, activation="relu")(window)
    x = layers.ZeroPadding2D(0)(x)
    x = layers.Conv2D(4, 1, 2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.AveragePooling2D(2, 1)(x)
    x = network_of(x, layers.Cropping2D(1))
    check_unpadded(keras.Model(window, AtrousMaxPool(2, name="pool")(x)))


def network_of(x, *middle):
    return keras.Sequential([keras.Input(x.shape[1:]), *middle])(x)


@pytest.mark.parametrize(
    "layer, reason",
    [
        (layers.SeparableConv2D(2, 3, padding="same", name="it"), "it pads"),
        (layers.AveragePooling2D(2, padding="same", name="it"), "it pads"),
        (AtrousMaxPool(2, padding="same", name="it"), "it pads"),
        (layers.ZeroPadding2D(((0, 0), (0, 1)), name="it"), "it pads"),
        (PadToMultiple(8, name="it"), "it takes in the whole map"),
        (layers.GlobalMaxPooling2D(name="it"), "it takes in the whole map"),
        (layers.Softmax(axis=1, name="it"), "it takes in the whole map"),
        (
            layers.MaxPooling2D(2, data_format="channels_first", name="it"),
            "its d",
        ),
    ],
)
def test_refuses_by_name(layer, reason):
    message = f"The layer 'it' .* can't slide over an image: {reason}"
    with pytest.raises(ValueError, match=message):
        check_unpadded(network(layers.Conv2D(3, 1), layer))
    with pytest.raises(ValueError, match=message):
        check_unpadded(network(layers.Conv2D(3, 1), network(layer)))


def test_refuses_strides_that_were_removed():
    """In their place is padding, at the end of the map."""
    strided = network(layers.Conv2D(4, 3, 2, name="conv"))
    strided = keras.Model(strided.inputs, strided.outputs)
    with pytest.raises(ValueError, match="'conv_atrous_pad' .* it pads"):
        check_unpadded(set_output_stride(strided, 1))
