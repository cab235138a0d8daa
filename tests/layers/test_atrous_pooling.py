import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seg.layers import AtrousAveragePool
from keras_seg.layers import AtrousMaxPool
from tests.layer_check import check_layer

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
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_layer(layer, reduce, padding):
    x = picture(9, 8)
    check_layer(
        layer,
        {"pool_size": (2, 3), "padding": padding},
        x,
        expected_output=pool(x, (2, 3), 1, padding, reduce),
    )
    check_layer(layer, {"pool_size": 3, "padding": padding, "rate": 2}, x)
    check_layer(
        layer,
        {
            "pool_size": 3,
            "padding": padding,
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
    dense = ops.convert_to_numpy(layer(3, rate=rate)(x))
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
def test_bad_arguments(layer, reduce):
    with pytest.raises(ValueError, match="Received: pool_size=0"):
        layer(0)
    with pytest.raises(ValueError, match="Received: rate=0"):
        layer(2, rate=0)
    with pytest.raises(ValueError, match="Received: rate=1.5"):
        layer(2, rate=1.5)
    with pytest.raises(ValueError, match="Received: removed_stride=-1"):
        layer(2, removed_stride=-1)
    with pytest.raises(ValueError, match="Received: padding='full'"):
        layer(2, padding="full")
