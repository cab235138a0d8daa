import keras
import pytest
from keras import layers

from keras_seg.layers import AtrousMaxPool
from keras_seg.layers import PadToMultiple
from keras_seg.surgery import set_output_stride
from keras_seg.surgery.unpadded import check_unpadded


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
