import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.applications import FCN32s
from keras_seg.layers import AtrousConv
from keras_seg.layers import Conv
from keras_seg.layers import ConvTranspose
from keras_seg.layers import SeparableConv
from tests.layer_check import check_as_keras
from tests.layer_check import check_layer

IMAGES = np.random.default_rng(0).normal(size=(2, 9, 8, 4)).astype("float32")


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_layer_check(padding):
    check_layer(
        Conv,
        {"filters": 5, "kernel_size": 3, "padding": padding},
        IMAGES,
        trainable_weights=2,
    )


@given(
    st.integers(1, 9),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from([1, 2]),
    st.integers(1, 3),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(["channels_last", "channels_first"]),
)
def test_equals_keras(size, taps, stride, rate, padding, data_format):
    if stride > 1:  # Keras refuses both.
        rate = 1
    if padding == "valid":
        size = max(size, (max(taps) - 1) * rate + 1)
    check_as_keras(
        Conv,
        keras.layers.Conv2D,
        size,
        5,
        taps,
        strides=stride,
        padding=padding,
        dilation_rate=rate,
        data_format=data_format,
    )


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_transposed_equals_keras(padding, data_format):
    check_as_keras(
        ConvTranspose,
        keras.layers.Conv2DTranspose,
        4,
        14,  # As many filters as columns: 2 times 4 + 3.
        2,
        strides=2,
        padding=padding,
        data_format=data_format,
    )


def test_groups():
    """As ResNeXt has: the kernel sees some of the channels."""
    check_as_keras(Conv, keras.layers.Conv2D, 9, 6, 3, groups=2, padding="same")


@pytest.mark.skipif(
    keras.config.backend() != "torch", reason="PyTorch's order in memory"
)
@pytest.mark.parametrize("build", [Conv, AtrousConv, SeparableConv])
def test_pytorch_takes_the_kernel_as_it_lies(build, tmp_path):
    """After training, saving and copying, too."""
    import torch

    def lies_well(model):
        layer = model.layers[-1]
        name = "pointwise_kernel" if build is SeparableConv else "kernel"
        kernel = getattr(layer, name)
        weight = kernel.value.permute(3, 2, 0, 1)
        return weight.is_contiguous(memory_format=torch.channels_last)

    image = keras.Input((None, None, 4))
    model = keras.Model(image, build(5, 3, padding="same")(image))
    assert lies_well(model)
    model.set_weights([w + 0.5 for w in model.get_weights()])
    model.compile("adam", "mean_squared_error")
    model.fit(IMAGES, np.ones((2, 9, 8, 5)), verbose=0)
    assert lies_well(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert lies_well(loaded)
    assert lies_well(keras.models.clone_model(model))
    np.testing.assert_array_equal(
        loaded.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0)
    )


def test_backbones_and_heads_get_it():
    """But for a subclass, which may do something else."""

    class Own(keras.layers.Conv2D):
        pass

    image = keras.Input((None, None, 3))
    x = image
    for kind in (keras.layers.Conv2D, Own, *[keras.layers.Conv2D] * 3):
        x = kind(4, 3, 2, "same")(x)
    model = FCN32s(keras.Model(image, x), classes=2)
    found = [
        type(layer)
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert found == [Conv, Own, Conv, Conv, Conv, Conv]
