"""Counting in NumPy against scikit-learn, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from keras_seg.metrics import count_pairs
from keras_seg.metrics import per_image_iou
from keras_seg.metrics import scores

pytestmark = pytest.mark.once


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6))
def test_counts_are_scikit_learns(seed, classes):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, (7, 9)).astype("uint8")
    truth[rng.random(truth.shape) < 0.2] = 255
    prediction = rng.integers(0, classes, truth.shape)
    known = truth != 255
    expected = confusion_matrix(
        truth[known], prediction[known], labels=range(classes)
    )
    np.testing.assert_array_equal(
        count_pairs(truth, prediction, classes), expected
    )


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([[0, 7]], [[0, 1]], r"Masks .* 0...1, or 255 .* Received: ids \[7\]"),
        ([[0, 1]], [[0, 2]], r"Predictions .* Received: ids \[2\]"),
        ([[0, 1]], [[0]], r"Received: \(1, 2\) of int64 and \(1, 1\)"),
        ([[0.5, 1]], [[0, 1]], "of float64"),
    ],
)
def test_refused(truth, prediction, message):
    with pytest.raises(ValueError, match=message):
        count_pairs(np.array(truth), np.array(prediction), 2)


def test_mean_over_images_is_another_number():
    """papers.md 3.1, rule 1: each image has its own classes."""
    rng = np.random.default_rng(0)
    pairs = []
    for classes in ([0, 1], [0, 2], [0, 3]):
        truth = rng.choice(classes, (20, 30))
        wrong = rng.random(truth.shape) < 0.2
        pairs.append((truth, np.where(wrong, rng.integers(0, 4), truth)))
    images = per_image_iou(pairs, 4)
    expected = [scores(count_pairs(*pair, 4)).mean_iou for pair in pairs]
    np.testing.assert_allclose(images, expected)
    whole = scores(sum(count_pairs(*pair, 4) for pair in pairs)).mean_iou
    assert abs(images.mean() - whole) > 0.01
    void = np.full((2, 2), 255)
    assert np.isnan(per_image_iou([(void, np.zeros((2, 2), int))], 2)[0])
