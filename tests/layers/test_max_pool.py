import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seg.applications import FCN32s
from keras_seg.layers import MaxPool
from tests.gradients import gradient
from tests.layer_check import check_as_keras
from tests.layer_check import check_layer

IMAGES = np.random.default_rng(0).normal(size=(2, 9, 8, 4)).astype("float32")


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_layer_check(padding):
    config = {"pool_size": 3, "strides": 2, "padding": padding}
    check_layer(MaxPool, config, IMAGES)


@given(
    st.integers(1, 9),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.one_of(st.none(), st.integers(1, 3)),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(["channels_last", "channels_first"]),
)
def test_equals_keras(size, pool_size, strides, padding, data_format):
    if padding == "valid":
        size = max(size, *pool_size)
    check_as_keras(
        MaxPool,
        keras.layers.MaxPooling2D,
        size,
        pool_size,
        strides=strides,
        padding=padding,
        data_format=data_format,
    )


def test_gradient_equals_keras():
    weights = np.random.default_rng(1).normal(size=(2, 5, 4, 4))
    ours, keras_layer = (
        gradient(kind(3, 2, "same"), IMAGES, weights.astype("float32"))
        for kind in (MaxPool, keras.layers.MaxPooling2D)
    )
    np.testing.assert_allclose(ours, keras_layer, atol=1e-6)


def test_integers():
    x = np.array([3, 1, 2, 5]).reshape(1, 1, 4, 1)
    found = ops.convert_to_numpy(MaxPool((1, 2), dtype="int32")(x))
    assert found.ravel().tolist() == [3, 5]


def test_backbones_get_it():
    image = keras.Input((None, None, 3))
    x = image
    for number in range(5):
        x = keras.layers.Conv2D(4, 3, padding="same")(x)
        x = keras.layers.MaxPooling2D(name=f"pool{number}")(x)
    model = FCN32s(keras.Model(image, x), classes=2)
    assert type(model.get_layer("pool4")) is MaxPool
