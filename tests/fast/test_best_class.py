import keras
import numpy as np
import pytest

from keras_seg.fast import best_class


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("classes", [2, 5, 70])
def test_the_first_of_equal_scores_wins(dtype, classes):
    rng = np.random.default_rng(0)
    scores = rng.integers(-2, 2, (500, classes)).astype("float32")
    scores[scores == 0] *= -1  # -0.0 is as large as 0.0
    scores[::2] = np.abs(scores[::2])
    best = best_class(keras.ops.cast(scores, dtype))
    assert keras.backend.standardize_dtype(best.dtype) == "int32"
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(best), scores.argmax(-1)
    )


@pytest.mark.parametrize("classes", [3, 70])
def test_scores_that_are_not_numbers_still_give_a_class(classes):
    scores = np.full((6, classes), np.nan, "float32")
    scores[1, 1] = 1.0
    scores[2] = np.inf
    scores[3] = -np.inf
    best = keras.ops.convert_to_numpy(best_class(scores))
    assert (best >= 0).all()
    assert (best < classes).all()
