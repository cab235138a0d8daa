import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import backend
from keras import ops

from keras_seg.layers import BedOfNails
from keras_seg.layers import NearestUpsampling
from keras_seg.ops import bed_of_nails
from keras_seg.ops import nearest_upsampling
from tests.layer_check import check_layer

few = settings(max_examples=5 if backend.backend() == "jax" else 20)

# papers.md 4.1, by hand.
SQUARE = np.array([[1.0, 2.0], [3.0, 4.0]], "float32").reshape(1, 2, 2, 1)
NAILS = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
NEAREST = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    "layer_class, expected", [(BedOfNails, NAILS), (NearestUpsampling, NEAREST)]
)
def test_worked_example(layer_class, expected):
    expected = np.reshape(expected, (1, 4, 4, 1))
    check_layer(layer_class, {"size": 2}, SQUARE, expected_output=expected)
    check_layer(layer_class, {"size": (3, 1)}, maps(2, 3, 4, 2))
    with pytest.raises(ValueError, match="Received: size=0"):
        layer_class(0)
    with pytest.raises(ValueError, match="Received: size=2.5"):
        layer_class((2, 2.5))


sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
cells = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(sizes, cells, st.integers(1, 3))
@few
def test_every_size(size, cell, channels):
    x = maps(2, *size, channels)
    nearest = ops.convert_to_numpy(nearest_upsampling(x, cell))
    np.testing.assert_array_equal(
        nearest, x.repeat(cell[0], 1).repeat(cell[1], 2)
    )
    nails = ops.convert_to_numpy(bed_of_nails(x, cell))
    expected = np.zeros_like(nearest)
    expected[:, :: cell[0], :: cell[1]] = x
    np.testing.assert_array_equal(nails, expected)


def test_equals_pytorch():
    torch = pytest.importorskip("torch")
    x = maps(2, 3, 5, 4)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x), scale_factor=(2, 3), mode="nearest"
    )
    y = NearestUpsampling((2, 3), data_format="channels_first")(x)
    np.testing.assert_array_equal(ops.convert_to_numpy(y), expected.numpy())
