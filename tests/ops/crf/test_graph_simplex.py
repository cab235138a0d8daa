import keras
import numpy as np
import pytest
from keras import ops

from keras_seg.ops.crf.graph_simplex import graph_simplices
from keras_seg.ops.crf.simplex import enclosing_simplices


def find(features):
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(graph_simplices)(features)
    return graph_simplices(ops.convert_to_tensor(features))


@pytest.mark.parametrize("d", [1, 5])
def test_equals_host(d):
    """Bit by bit: where coordinates are equal, as in images, the last bit
    decides which simplex a point is in."""
    rng = np.random.default_rng(d)
    features = [
        rng.integers(0, 256, size=(2000, d)) / 3,
        rng.normal(size=(2000, d)) * 3000,
    ]
    features = np.concatenate(features).astype("float32")
    *got, valid = (ops.convert_to_numpy(a) for a in find(features))
    q, rank, weights = enclosing_simplices(np.ascontiguousarray(features.T))
    for array, expected in zip(got, (q, rank, weights.T), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert valid


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_bad_features(value):
    features = np.zeros((4000, 1), "float32")
    features[7] = value
    assert not find(features)[-1]
