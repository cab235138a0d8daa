import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seg.layers import AtrousAveragePool
from keras_seg.layers import AtrousMaxPool
from keras_seg.layers import RemovedStridePadding
from tests.layer_check import assert_close
from tests.layer_check import check_layer


def test_removed_stride_layer():
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
    y = RemovedStridePadding(2, removed_stride=2, padding="valid")(x)
    assert_close(y, np.pad(x, ((0, 0), (0, 1), (0, 0), (0, 0))))


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


def test_removed_stride_bad_arguments():
    with pytest.raises(ValueError, match="Received: kernel_size=0"):
        RemovedStridePadding(0)
    with pytest.raises(ValueError, match="Received: kernel_size="):
        RemovedStridePadding((1, 2, 3))
    with pytest.raises(ValueError, match="Received: data_format='NHWC'"):
        RemovedStridePadding(3, data_format="NHWC")
    assert keras.config.image_data_format() == "channels_last"


KINDS = [(AtrousMaxPool, np.nanmax), (AtrousAveragePool, np.nanmean)]


def pool(x, size, stride, padding, reduce):
    """Pooling as TensorFlow documents it: padding counts for nothing.

    Written out because Keras's average pooling on PyTorch repeats the border
    where the padding is not symmetric.
    """
    sizes, counts, pads = np.broadcast_to(size, 2), [], []
    for n, k in zip(x.shape[1:3], sizes, strict=True):
        if padding == "valid":
            counts.append((n - k) // stride + 1)
            pads.append((0, 0))
        else:
            counts.append(-(-n // stride))
            total = max((counts[-1] - 1) * stride + k - n, 0)
            pads.append((total // 2, total - total // 2))
    x = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=np.nan)
    rows = [
        [
            reduce(
                x[
                    :,
                    i * stride : i * stride + sizes[0],
                    j * stride : j * stride + sizes[1],
                ],
                axis=(1, 2),
            )
            for j in range(counts[1])
        ]
        for i in range(counts[0])
    ]
    return np.transpose(rows, (2, 0, 1, 3))


def picture(height, width, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, height, width, channels)).astype("float32")


@pytest.mark.parametrize("layer, reduce", KINDS)
def test_atrous_pooling_layer(layer, reduce):
    x = picture(9, 8)
    y = layer((2, 3), padding="same")(x)
    assert_close(y, pool(x, (2, 3), 1, "same", reduce))
    check_layer(
        layer,
        {
            "pool_size": 3,
            "padding": "valid",
            "dilation_rate": 2,
            "removed_stride": 2,
            "padded": 1,
        },
        x,
    )


@pytest.mark.parametrize("layer, reduce", KINDS)
@given(
    height=st.integers(3, 14),
    width=st.integers(3, 14),
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same"]),
)
def test_holds_what_the_strided_pool_computes(
    layer, reduce, height, width, size, stride, padding
):
    x = picture(height, width)
    dense = layer(size, padding=padding, removed_stride=stride)(x)
    np.testing.assert_allclose(
        ops.convert_to_numpy(dense)[:, ::stride, ::stride],
        pool(x, size, stride, padding, reduce),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("layer, reduce", KINDS)
@pytest.mark.parametrize("rate", [2, 3])
def test_rate_is_pooling_of_every_rate_th_position(layer, reduce, rate):
    x = picture(13, 14)
    dense = ops.convert_to_numpy(layer(3, dilation_rate=rate)(x))
    for row in range(rate):
        for column in range(rate):
            part = x[:, row::rate, column::rate]
            np.testing.assert_allclose(
                dense[:, row::rate, column::rate],
                pool(part, 3, 1, "valid", reduce),
                rtol=1e-5,
                atol=1e-5,
            )


@pytest.mark.parametrize("layer, reduce", KINDS)
def test_atrous_pooling_bad_arguments(layer, reduce):
    with pytest.raises(ValueError, match="Received: pool_size=0"):
        layer(0)
    with pytest.raises(ValueError, match="Received: dilation_rate=0"):
        layer(2, dilation_rate=0)
    with pytest.raises(ValueError, match="Received: dilation_rate=1.5"):
        layer(2, dilation_rate=1.5)
    with pytest.raises(ValueError, match="Received: removed_stride=-1"):
        layer(2, removed_stride=-1)
    with pytest.raises(ValueError, match="Received: padding='full'"):
        layer(2, padding="full")
