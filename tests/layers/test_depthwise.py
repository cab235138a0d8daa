import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.applications import FCN32s
from keras_seg.layers import DepthwiseConv
from keras_seg.layers import SeparableConv
from tests.gradients import gradient
from tests.layer_check import check_as_keras
from tests.layer_check import check_layer

IMAGES = np.random.default_rng(0).normal(size=(2, 9, 8, 4)).astype("float32")

# Our class, Keras's, and the arguments in front of the size of the kernel.
PAIRS = [
    (DepthwiseConv, keras.layers.DepthwiseConv2D, ()),
    (SeparableConv, keras.layers.SeparableConv2D, (5,)),
]


@pytest.mark.parametrize("ours", [pair[0] for pair in PAIRS])
def test_layer_check(ours):
    config = {"kernel_size": 3, "strides": 2, "padding": "same"}
    weights = 2
    if ours is SeparableConv:
        config["filters"], weights = 5, 3
    check_layer(ours, config, IMAGES, trainable_weights=weights)


@pytest.mark.parametrize(("ours", "keras_layer", "first"), PAIRS)
@given(
    st.integers(1, 12),
    st.integers(1, 4),
    st.sampled_from([1, 2, 3]),
    st.integers(1, 3),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(["channels_last", "channels_first"]),
)
def test_equals_keras(
    ours, keras_layer, first, size, taps, stride, rate, padding, data_format
):
    if stride > 1 and rate > 1:  # Keras refuses both.
        rate = 1
    if padding == "valid":
        size = max(size, (taps - 1) * rate + 1)
    check_as_keras(
        ours,
        keras_layer,
        size,
        *first,
        taps,
        strides=stride,
        padding=padding,
        dilation_rate=rate,
        data_format=data_format,
    )


@pytest.mark.parametrize(
    ("batch", "taps", "stride", "rate", "padding"),
    [
        (1, 3, 1, 1, "same"),
        (2, 3, 2, 1, "same"),
        (11, 2, 3, 1, "valid"),  # more images than go into one step
        (12, 3, 1, 4, "same"),
        (3, 5, 2, 1, "valid"),
        (2, 1, 2, 1, "same"),
    ],
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_gradients_equal_keras(batch, taps, stride, rate, padding, data_format):
    rng = np.random.default_rng(batch)
    images = rng.normal(size=(batch, 9, 12, 3)).astype("float32")
    if data_format == "channels_first":
        images = np.moveaxis(images, -1, 1)
    options = {
        "strides": stride,
        "dilation_rate": rate,
        "padding": padding,
        "data_format": data_format,
    }
    layers = [
        kind(taps, use_bias=False, **options)
        for kind in (DepthwiseConv, keras.layers.DepthwiseConv2D)
    ]
    for layer in layers:
        layer.build(images.shape)
    kernel = rng.normal(size=layer.kernel.shape).astype("float32")
    weights = rng.normal(size=layer.compute_output_shape(images.shape))
    weights = weights.astype("float32")

    def gradients(layer):
        call = layer.stateless_call
        return (
            gradient(lambda x: call([kernel], [], x)[0], images, weights),
            gradient(lambda k: call([k], [], images)[0], kernel, weights),
        )

    # The sums of the kernel are of up to 1,300 products.
    for ours, theirs in zip(*map(gradients, layers), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)


def test_several_filters_for_a_channel():
    check_as_keras(
        DepthwiseConv, keras.layers.DepthwiseConv2D, 9, 3, depth_multiplier=2
    )


def test_backbones_get_them():
    image = keras.Input((None, None, 3))
    x = keras.layers.SeparableConv2D(4, 3, 2, "same", name="one")(image)
    for name in ("two", "three", "four", "five"):
        x = keras.layers.DepthwiseConv2D(3, 2, "same", name=name)(x)
    model = FCN32s(keras.Model(image, x), classes=2)
    found = [type(model.get_layer(name)) for name in ("one", "two")]
    assert found == [SeparableConv, DepthwiseConv]
