import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seg.ops import indices_from_tensorflow
from keras_seg.ops import indices_to_tensorflow
from keras_seg.ops import max_pool_with_indices
from keras_seg.ops import max_unpool
from keras_seg.ops import pooled_size
from tests.compiled import compiled

# papers.md 4.2, computed by hand.
MAP = [[1, 3, 2, 0], [4, 2, 1, 5], [0, 1, 7, 2], [6, 2, 3, 8]]
POOLED, SWITCHES = [[4, 5], [6, 8]], [[4, 7], [12, 15]]
VALUES = [[10, 20], [30, 40]]
UNPOOLED = [[0, 0, 0, 0], [10, 0, 0, 20], [0, 0, 0, 0], [30, 0, 0, 40]]


def plane(rows, data_format="channels_last", dtype="float32"):
    axes = (0, 1) if data_format == "channels_first" else (0, 3)
    return np.expand_dims(np.array(rows, dtype), axes)


def numpy(x):
    return ops.convert_to_numpy(x)


def pool(x, *arguments, **options):
    return compiled(lambda x: max_pool_with_indices(x, *arguments, **options))(
        x
    )


def unpool(pooled, switches, *arguments, **options):
    return compiled(lambda *maps: max_unpool(*maps, *arguments, **options))(
        pooled, switches
    )


def pool_by_hand(x, pool_size, strides, rounding):
    """Windows one at a time, channels last: the definition."""
    counts = [
        pooled_size(n, k, s, rounding)
        for n, k, s in zip(x.shape[1:3], pool_size, strides, strict=True)
    ]
    shape = (x.shape[0], *counts, x.shape[3])
    pooled, switches = np.zeros(shape, x.dtype), np.zeros(shape, "int32")
    for b, i, j, c in np.ndindex(shape):
        y, left = i * strides[0], j * strides[1]
        window = x[b, y : y + pool_size[0], left : left + pool_size[1], c]
        row, column = divmod(np.argmax(window), window.shape[1])
        pooled[b, i, j, c] = window[row, column]
        switches[b, i, j, c] = (y + row) * x.shape[2] + left + column
    return pooled, switches


def unpool_by_hand(pooled, switches, size):
    batch, rows, columns, channels = pooled.shape
    result = np.zeros((batch, size[0] * size[1], channels), pooled.dtype)
    for b, i, j, c in np.ndindex(batch, rows, columns, channels):
        result[b, switches[b, i, j, c], c] = pooled[b, i, j, c]
    return result.reshape(batch, *size, channels)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_worked_example(data_format):
    pooled, switches = max_pool_with_indices(
        plane(MAP, data_format), (2, 2), data_format=data_format
    )
    assert np.squeeze(numpy(pooled)).tolist() == POOLED
    assert np.squeeze(numpy(switches)).tolist() == SWITCHES
    y = max_unpool(
        plane(VALUES, data_format), switches, (2, 2), data_format=data_format
    )
    assert np.squeeze(numpy(y)).tolist() == UNPOOLED


def test_of_equal_maxima_the_first_counts():
    """All-zero windows, as after a ReLU; 0 and -0 are equal."""
    for x in (np.zeros((1, 5, 5, 1)), plane([[-0.0, 0.0, 0.0]] * 3)):
        _, switches = pool(x.astype("float32"), (3, 2))
        width = x.shape[2]
        columns = list(range(0, width, 2))
        assert numpy(switches)[0, 0, :, 0].tolist() == columns
    x = plane([[1, 2, 7], [7, 2, 7]])
    _, switches = pool(x, (2, 3))
    assert numpy(switches).item() == 2


def test_values_below_zero_at_a_cut_edge():
    x = plane([[-5, -3, -9], [-4, -8, -np.inf], [-2, -1, -6]])
    pooled, switches = max_pool_with_indices(x, (2, 2))
    assert np.squeeze(numpy(pooled)).tolist() == [[-3, -9], [-1, -6]]
    assert np.squeeze(numpy(switches)).tolist() == [[1, 2], [7, 8]]
    whole = plane(MAP, dtype="int32")[:, :3, :3]
    pooled, _ = max_pool_with_indices(-whole, (2, 2))
    assert np.squeeze(numpy(pooled)).tolist() == [[-1, -1], [0, -7]]


@pytest.mark.parametrize("strides", [(2, 2), (1, 3), (3, 3)])
@pytest.mark.parametrize("rounding", ["ceil", "floor"])
def test_pooled_sizes(rounding, strides):
    """papers.md 2.4: Caffe's rounding."""
    assert pooled_size(23, 2, 2) == 12
    assert pooled_size(6, 3, 2) == 3 and pooled_size(5, 3, 2) == 2
    assert pooled_size(1, 3, 2) == 1
    assert pooled_size(4, 1, 3) == 2 and pooled_size(3, 1, 3) == 1
    with pytest.raises(ValueError, match="window of 3 does not fit into 2"):
        pooled_size(2, 3, 2, "floor")
    x = np.random.default_rng(0).normal(size=(1, 7, 8, 2)).astype("float32")
    expected = pool_by_hand(x, (3, 2), strides, rounding)
    found = pool(x, (3, 2), strides, rounding=rounding)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(numpy(one), other)


sides = st.tuples(st.integers(1, 40), st.integers(1, 40))
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(sides, pairs, pairs, st.integers(1, 3), st.integers(0, 9))
def test_pool_and_unpool_equal_the_definition(
    size, pool_size, strides, channels, seed
):
    rng = np.random.default_rng(seed)
    # Few values, so that many are equal.
    x = rng.integers(-3, 3, (2, *size, channels)).astype("float32")
    expected = pool_by_hand(x, pool_size, strides, "ceil")
    pooled, switches = pool(x, pool_size, strides)
    np.testing.assert_array_equal(numpy(pooled), expected[0])
    np.testing.assert_array_equal(numpy(switches), expected[1])

    # Its own maxima come back to their places, the rest is zero.
    back = numpy(unpool(pooled, switches, pool_size, strides, size))
    kept = unpool_by_hand(np.ones_like(expected[0]), expected[1], size)
    np.testing.assert_array_equal(back, x * kept)

    # Other values: where windows overlap the last is written over the rest.
    values = rng.normal(size=expected[0].shape).astype("float32")
    found = unpool(values, expected[1], pool_size, strides, size)
    np.testing.assert_array_equal(
        numpy(found), unpool_by_hand(values, expected[1], size)
    )


@given(
    st.tuples(st.integers(4, 40), st.integers(4, 40)),
    pairs,
    pairs,
    st.sampled_from(["ceil", "floor"]),
)
def test_equals_pytorch(size, pool_size, strides, rounding):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(1, 2, *size)).astype("float32")
    pooled, switches = pool(
        x, pool_size, strides, rounding=rounding, data_format="channels_first"
    )
    theirs = torch.nn.functional.max_pool2d(
        torch.from_numpy(x),
        pool_size,
        strides,
        ceil_mode=rounding == "ceil",
        return_indices=True,
    )
    np.testing.assert_array_equal(numpy(pooled), theirs[0].numpy())
    np.testing.assert_array_equal(numpy(switches), theirs[1].numpy())
    found = unpool(
        pooled,
        switches,
        pool_size,
        strides,
        size,
        data_format="channels_first",
    )
    unpooled = torch.nn.functional.max_unpool2d(
        *theirs, pool_size, strides, output_size=size
    )
    np.testing.assert_array_equal(numpy(found), unpooled.numpy())


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="a choice of PyTorch alone"
)
@pytest.mark.parametrize("size", [(7, 10), (8, 9)])
def test_both_formulations_are_equal(monkeypatch, size):
    x = np.random.default_rng(0).integers(0, 5, (2, *size, 3))
    x = x.astype("float32")

    def both():
        pooled, switches = max_pool_with_indices(x, (2, 2))
        return (
            pooled,
            switches,
            max_unpool(pooled, switches, (2, 2), None, size),
        )

    native = both()
    for module in ("pooling", "unpooling"):
        monkeypatch.setattr(
            f"keras_seg.ops.{module}.torch_can", lambda x: False
        )
    for one, other in zip(native, both(), strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other))


def test_converters_are_inverse():
    switches = np.random.default_rng(0).integers(0, 56, (3, 4, 2, 5))
    for batch in (False, True):
        indices = indices_to_tensorflow(switches, batch, (7, 8))
        assert keras.backend.standardize_dtype(indices.dtype) == "int32"
        back = indices_from_tensorflow(indices, batch, (7, 8))
        np.testing.assert_array_equal(numpy(back), switches)
    # ((b · 7 + y) · 8 + x) · 5 + c
    at = numpy(indices)[2, 1, 1, 3]
    assert at == (2 * 56 + switches[2, 1, 1, 3]) * 5 + 3
    for convert in (indices_from_tensorflow, indices_to_tensorflow):
        with pytest.raises(ValueError, match="size=None"):
            convert(switches, include_batch_in_index=True)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow's function"
)
@pytest.mark.parametrize("include_batch", [False, True])
def test_equals_tensorflow(include_batch):
    import tensorflow as tf

    x = np.random.default_rng(0).normal(size=(2, 7, 9, 3)).astype("float32")
    theirs, indices = tf.nn.max_pool_with_argmax(
        x, 3, 2, "VALID", include_batch_in_index=include_batch
    )
    pooled, switches = max_pool_with_indices(
        x, (3, 3), (2, 2), rounding="floor"
    )
    np.testing.assert_array_equal(numpy(pooled), theirs.numpy())
    np.testing.assert_array_equal(
        numpy(indices_from_tensorflow(indices, include_batch, (7, 9))),
        numpy(switches),
    )
    np.testing.assert_array_equal(
        numpy(indices_to_tensorflow(switches, include_batch, (7, 9))),
        indices.numpy(),
    )
