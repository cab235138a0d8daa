import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seg.layers import RemovedStridePadding
from tests.layer_check import check_layer


def test_layer():
    x = np.random.default_rng(0).normal(size=(2, 6, 7, 3)).astype("float32")
    # Stride 2, kernel 3: an even size is padded (0, 1), an odd one (1, 1);
    # what keeps the size is (k - 1) = 2 in all.
    expected = np.pad(x, ((0, 0), (0, 2), (1, 1), (0, 0)))
    check_layer(
        RemovedStridePadding,
        {"kernel_size": 3, "removed_stride": 2},
        x,
        expected_output=expected,
    )
    check_layer(
        RemovedStridePadding,
        {"kernel_size": 2, "removed_stride": 2, "padding": "valid"},
        x,
        expected_output=np.pad(x, ((0, 0), (0, 1), (0, 0), (0, 0))),
    )


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    size=st.integers(1, 5),
    stride=st.integers(1, 3),
)
def test_convolution_without_its_stride(height, width, size, stride):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, height, width, 2)).astype("float32")
    kernel = rng.normal(size=(size, size, 2, 2)).astype("float32")
    old = ops.conv(x, kernel, strides=stride, padding="same")
    padded = RemovedStridePadding(size, removed_stride=stride)(x)
    dense = ops.conv(padded, kernel, strides=1, padding="valid")
    np.testing.assert_allclose(
        ops.convert_to_numpy(dense)[:, ::stride, ::stride],
        ops.convert_to_numpy(old),
        rtol=1e-4,
        atol=1e-4,
    )


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: kernel_size=0"):
        RemovedStridePadding(0)
    with pytest.raises(ValueError, match="Received: kernel_size="):
        RemovedStridePadding((1, 2, 3))
    with pytest.raises(ValueError, match="Received: data_format='NHWC'"):
        RemovedStridePadding(3, data_format="NHWC")
    assert keras.config.image_data_format() == "channels_last"
