import keras
import pytest

from keras_seg.applications.assembly import fcn_head


@pytest.mark.once  # The graph is the same on every backend.
def test_fcn_head():
    """3·3·8·2 of the 3×3, 4 · 2 of batch norm, 2·5 + 5 of the scores."""
    x = keras.Input((9, 7, 8))
    scores = fcn_head(x, 5, "channels_last", "a_")
    model = keras.Model(x, scores)
    assert scores.shape == (None, 9, 7, 5)
    assert model.count_params() == 3 * 3 * 8 * 2 + 4 * 2 + 2 * 5 + 5
    names = ["conv", "norm", "relu", "dropout", "score"]
    assert [layer.name for layer in model.layers[1:]] == [
        f"a_{name}" for name in names
    ]
    first = fcn_head(keras.Input((8, 9, 7)), 5, "channels_first", "b_")
    assert first.shape == (None, 5, 9, 7)
