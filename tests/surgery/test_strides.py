import keras
import pytest
from keras import layers

from keras_seg.surgery.strides import measured_strides


def strides(operation, shape=(None, None, None, 3), data_format=None):
    tensor = keras.KerasTensor(shape)
    data_format = data_format or "channels_last"
    return measured_strides(operation, (tensor,), {}, data_format)


@pytest.mark.parametrize("stride", [1, 2, 4, 16, 32])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_strides_of_convolutions(stride, padding):
    """Known operations: what is measured is what they were made with."""
    kernel_size = max(stride, 3)
    convolution = layers.Conv2D(4, kernel_size, stride, padding=padding)
    assert strides(convolution) == [stride]
    pooling = layers.MaxPooling2D(
        kernel_size, stride, padding, data_format="channels_first"
    )
    shape = (None, 3, None, None)
    assert strides(pooling, shape, "channels_first") == [stride]


def test_what_is_no_map_has_none():
    assert strides(layers.GlobalAveragePooling2D()) == [0]
    assert strides(layers.GlobalAveragePooling2D(keepdims=True)) == [0]
    assert strides(layers.Reshape((-1, 3))) == [0]


@pytest.mark.parametrize(
    "layer",
    [
        layers.UpSampling2D(2, name="odd"),
        layers.AveragePooling2D((1, 2), name="odd"),
        layers.Permute((3, 1, 2), name="odd"),
    ],
)
def test_refuses_by_name(layer):
    with pytest.raises(ValueError, match="'odd' .*of 224×224 it makes"):
        strides(layer)
