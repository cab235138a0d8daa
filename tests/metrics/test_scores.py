"""The formulas against the papers' example and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn_metrics
from sklearn.metrics import confusion_matrix

from keras_seg.metrics import count_pairs
from keras_seg.metrics import per_image_iou
from keras_seg.metrics import scores

pytestmark = pytest.mark.once

# Worked by hand: t = (55, 35, 10), p = (54, 45, 1), right = (50, 30, 0).
GOLDEN = np.array([[50, 5, 0], [4, 30, 1], [0, 10, 0]])


def test_golden_example():
    result = scores(GOLDEN)
    np.testing.assert_allclose(
        [
            result.pixel_accuracy,
            result.mean_accuracy,
            result.mean_iou,
            result.frequency_weighted_iou,
        ],
        [0.80000, 0.58874, 0.48249, 0.67610],
        atol=5e-6,
    )
    np.testing.assert_allclose(
        result.per_class_iou, [50 / 59, 30 / 50, 0 / 11], rtol=1e-12
    )
    np.testing.assert_allclose(
        result.per_class_accuracy, [50 / 55, 30 / 35, 0], rtol=1e-12
    )


def test_the_two_rules_for_absent_classes():
    # Class 1 is predicted and not in the truth, class 2 is in neither.
    matrix = np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]])
    by_union = scores(matrix)
    np.testing.assert_allclose(by_union.per_class_iou, [0.75, 0, np.nan])
    assert by_union.mean_iou == 0.375
    by_truth = scores(matrix, absent_classes="truth")
    np.testing.assert_allclose(by_truth.per_class_iou, [0.75, np.nan, np.nan])
    assert by_truth.mean_iou == 0.75
    assert by_truth.frequency_weighted_iou == 0.75


def test_nothing_counted_is_nan_without_a_warning(recwarn):
    result = scores(np.zeros((2, 2), dtype=int))
    assert np.isnan(result.mean_iou)
    assert np.isnan(result.pixel_accuracy)
    assert np.isnan(result.mean_accuracy)
    assert np.isnan(result.frequency_weighted_iou)
    assert not recwarn.list


def test_counts_beyond_32_bits():
    large = scores(GOLDEN * 2**40)
    assert large.mean_iou == pytest.approx(scores(GOLDEN).mean_iou, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(
    ids=hnp.arrays(np.uint8, (2, 40), elements=st.integers(0, 3)),
)
def test_equal_to_scikit_learn(ids):
    truth, prediction = ids
    labels = np.arange(4)
    result = scores(
        sklearn_metrics.confusion_matrix(truth, prediction, labels=labels)
    )
    present = np.union1d(truth, prediction)
    iou = sklearn_metrics.jaccard_score(
        truth, prediction, labels=present, average=None, zero_division=0
    )
    np.testing.assert_allclose(result.per_class_iou[present], iou)
    assert result.mean_iou == pytest.approx(iou.mean())
    assert result.pixel_accuracy == pytest.approx(
        sklearn_metrics.accuracy_score(truth, prediction)
    )
    assert result.mean_accuracy == pytest.approx(
        sklearn_metrics.recall_score(
            truth, prediction, labels=np.unique(truth), average="macro"
        )
    )
    assert result.frequency_weighted_iou == pytest.approx(
        sklearn_metrics.jaccard_score(truth, prediction, average="weighted")
    )


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((2, 3), int), r"square.*Received: shape \(2, 3\)"),
        (np.zeros((2, 2)), "counts.*Received: dtype float64"),
        ([[1, -1], [0, 2]], "counts.*smallest value -1"),
    ],
)
def test_no_confusion_matrix(matrix, message):
    with pytest.raises(ValueError, match=message):
        scores(matrix)


def test_unknown_rule():
    with pytest.raises(ValueError, match="Received: absent_classes='none'"):
        scores(GOLDEN, absent_classes="none")


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
