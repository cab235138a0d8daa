import numpy as np
import pytest

from keras_seg.layers import AlignedScale
from tests.layer_check import check_layer


def test_layer():
    """Every second position of an odd side is taken as it is."""
    x = np.random.default_rng(0).normal(size=(2, 9, 5, 3)).astype("float32")
    check_layer(AlignedScale, {"scale": 0.5}, x, expected_output=x[:, ::2, ::2])


@pytest.mark.parametrize(
    "scale, size", [(1.0, 321), (0.75, 241), (0.5, 161), (1.5, 481)]
)
def test_sizes_of_deeplab_v2(scale, size):
    """papers.md 13.3: 321, 241 and 161."""
    shape = AlignedScale(scale).compute_output_shape((None, 321, None, 3))
    assert shape == (None, size, None, 3)


@pytest.mark.parametrize("scale", [0, -1, True, "2", float("inf")])
def test_bad_arguments(scale):
    with pytest.raises(ValueError, match="Received: scale="):
        AlignedScale(scale)
