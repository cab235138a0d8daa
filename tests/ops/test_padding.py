import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seg.ops import pad_spatial
from keras_seg.ops import removed_stride_padding

lengths = st.integers(1, 30)


def windows(n, k, t, padding):
    """The positions each window of a strided layer reads, None for zeros."""
    if padding == "valid":
        count, before = (n - k) // t + 1 if n >= k else 0, 0
    else:
        count = -(-n // t)
        before = max((count - 1) * t + k - n, 0) // 2
    return [
        [
            p if 0 <= p < n else None
            for p in range(i * t - before, i * t - before + k)
        ]
        for i in range(count)
    ]


@given(
    n=lengths,
    k=st.integers(1, 7),
    t=st.integers(1, 4),
    rate=st.integers(1, 4),
    missing=st.integers(0, 3),
    padding=st.sampled_from(["same", "valid"]),
)
def test_dense_windows_contain_the_strided_ones(
    n, k, t, rate, missing, padding
):
    """Every t·rate-th dense window reads what a strided window read."""
    size = n * rate - min(missing, rate - 1)
    strided = windows(n, k, t, padding)
    if not strided:
        return
    before, after = removed_stride_padding(size, k, t, rate, padding)
    count = size + before + after - (k - 1) * rate
    dense = [
        [
            p if 0 <= p < size else None
            for p in range(i - before, i - before + k * rate, rate)
        ]
        for i in range(count)
    ]
    assert (len(strided) - 1) * t * rate + 1 <= count <= len(strided) * t * rate
    for old, new in zip(strided, dense[:: t * rate], strict=True):
        assert [None if p is None else p * rate for p in old] == new


@given(n=lengths, k=st.integers(1, 7), t=st.integers(1, 4))
def test_tensors_and_integers_agree(n, k, t):
    for padding in ("same", "valid"):
        if padding == "valid" and n < k:
            continue
        expected = removed_stride_padding(n, k, t, 2, padding)
        size = ops.convert_to_tensor(n, "int32")
        pads = removed_stride_padding(size, k, t, 2, padding)
        assert tuple(int(p) for p in pads) == expected


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_pad_spatial(data_format):
    x = np.ones((1, 2, 2, 2), "float32")
    y = pad_spatial(x, (1, 0), (0, 3), data_format, value=7.0)
    spatial = (3, 5)
    shape = (
        (1, *spatial, 2) if data_format == "channels_last" else (1, 2, *spatial)
    )
    assert tuple(y.shape) == shape
    assert float(ops.sum(y)) == 8 + 7 * (2 * 15 - 8)
