"""Metrics of one score a pixel, and of labels that may overlap.

Against scikit-learn, Keras, and a network of two scores.
"""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn_metrics

from keras_seg.metrics import ClassIoU
from keras_seg.metrics import ConfusionMatrix
from keras_seg.metrics import FrequencyWeightedIoU
from keras_seg.metrics import MeanAccuracy
from keras_seg.metrics import MeanIoU
from keras_seg.metrics import PixelAccuracy
from keras_seg.metrics import count_labels
from keras_seg.metrics import scores
from tests.metrics.test_confusion import draw

LABELS = 3
SHAPE = (2, 3, 8)
METRICS = (MeanIoU, PixelAccuracy, MeanAccuracy, FrequencyWeightedIoU)


def draw_labels(seed=0, void=0.2):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, (*SHAPE, LABELS)).astype("uint8")
    truth[rng.random(truth.shape) < void] = 255
    return truth, rng.normal(size=truth.shape).astype("float32")


def by_scikit_learn(truth, prediction):
    """The matrix of each label, of its pixels that are not void."""
    found = []
    for i in range(truth.shape[-1]):
        valid = truth[..., i] != 255
        matrix = np.zeros((2, 2), int)
        if valid.any():
            matrix = sklearn_metrics.confusion_matrix(
                truth[..., i][valid], prediction[..., i][valid], labels=[0, 1]
            )
        found.append(matrix)
    return np.stack(found)


@given(
    truth=hnp.arrays(
        np.uint8, (*SHAPE, LABELS), elements=st.sampled_from([0, 1, 255])
    ),
    prediction=hnp.arrays(
        np.uint8, (*SHAPE, LABELS), elements=st.integers(0, 1)
    ),
)
def test_labels_equal_scikit_learn(truth, prediction):
    expected = by_scikit_learn(truth, prediction)
    np.testing.assert_array_equal(count_labels(truth, prediction), expected)
    metric = ConfusionMatrix(LABELS, multi_label=True)
    metric.update_state(truth, prediction)
    if not (expected.sum(axis=0)[1].any() or (truth != 255).all()):
        return  # Nothing but 0 and 255, which is refused.
    np.testing.assert_array_equal(metric.matrix(), expected)


def test_scores_of_labels():
    """Those of scikit-learn, which has no void: pixels without it."""
    truth, logits = draw_labels()
    prediction = (logits > 0).astype("uint8")
    found = scores(count_labels(truth, prediction))
    for i in range(LABELS):
        valid = truth[..., i] != 255
        pair = truth[..., i][valid], prediction[..., i][valid]
        for value, oracle in (
            (found.per_class_iou, sklearn_metrics.jaccard_score),
            (found.per_class_f1, sklearn_metrics.f1_score),
            (found.per_class_precision, sklearn_metrics.precision_score),
            (found.per_class_accuracy, sklearn_metrics.recall_score),
        ):
            assert value[i] == pytest.approx(oracle(*pair))
    valid = truth != 255
    right = (truth == prediction)[valid].mean()
    assert found.pixel_accuracy == pytest.approx(right)
    assert found.mean_f1 == pytest.approx(found.per_class_f1.mean())
    assert found.mean_precision == pytest.approx(
        found.per_class_precision.mean()
    )


def test_metrics_of_labels():
    """Those of the matrix, within a compiled step."""
    truth, logits = draw_labels()
    expected = scores(count_labels(truth, (logits > 0).astype("uint8")))
    inputs = keras.Input((None, None, LABELS))
    outputs = keras.layers.Activation("linear")(inputs)
    model = keras.Model(inputs, outputs)
    found = [kind(LABELS, multi_label=True) for kind in METRICS]
    found.append(ClassIoU(LABELS, 1, multi_label=True))
    model.compile(loss="mse", metrics=found)
    logs = model.evaluate(logits, truth, return_dict=True, verbose=0)
    for name, value in {
        "mean_iou": expected.mean_iou,
        "pixel_accuracy": expected.pixel_accuracy,
        "mean_accuracy": expected.mean_accuracy,
        "frequency_weighted_iou": expected.frequency_weighted_iou,
        "iou_1": expected.per_class_iou[1],
    }.items():
        assert logs[name] == pytest.approx(value, rel=1e-6), name
    np.testing.assert_allclose(found[0].per_class(), expected.per_class_iou)


@pytest.mark.parametrize("kind", METRICS)
def test_one_score_is_the_second_of_two(kind):
    """`z > 0` where the second of the scores 0 and `z` is the largest."""
    truth, logits = draw(0, classes=2)
    z = logits[..., 1:] - logits[..., :1]
    one, two = kind(2), kind(2)
    one.update_state(truth, z)
    two.update_state(truth, logits)
    np.testing.assert_array_equal(one.matrix(), two.matrix())
    assert float(one.result()) == float(two.result())


# Of Keras's own metric on JAX.
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")
def test_thresholds(threshold):
    """On probabilities as Keras's `BinaryIoU`; on logits the same pixels."""
    truth, z = draw(1, classes=2, void=None)
    z = z[..., :1]
    p = 1 / (1 + np.exp(-z))
    theirs = keras.metrics.BinaryIoU(threshold=threshold)
    theirs.update_state(truth[..., None], p)
    for from_logits, values in ((True, z), (False, p)):
        metric = MeanIoU(2, threshold=threshold, from_logits=from_logits)
        metric.update_state(truth[..., None], values)
        assert float(metric.result()) == pytest.approx(float(theirs.result()))


def test_a_threshold_for_each_label():
    truth, logits = draw_labels()
    levels = [0.2, 0.5, 0.8]
    limits = np.log(levels) - np.log1p(-np.array(levels))
    expected = count_labels(truth, (logits > limits).astype("uint8"))
    metric = ConfusionMatrix(LABELS, multi_label=True, threshold=levels)
    metric.update_state(truth, logits)
    np.testing.assert_array_equal(metric.matrix(), expected)
    copy = type(metric).from_config(metric.get_config())
    assert copy.get_config() == metric.get_config()
    copy.merge(metric.matrix())
    np.testing.assert_array_equal(copy.matrix(), expected)


def test_mistakes():
    truth, logits = draw_labels()
    metric = ConfusionMatrix(LABELS, multi_label=True, from_logits=False)
    metric.update_state(truth, logits)  # No probabilities.
    with pytest.raises(ValueError, match="no probabilities"):
        metric.matrix()
    assert np.isnan(float(PixelAccuracy(2, from_logits=False).result()))
    metric = ConfusionMatrix(LABELS, multi_label=True)
    metric.update_state(np.where(truth == 1, 2, truth), logits)
    with pytest.raises(ValueError, match=r"outside 0\.\.\.1"):
        metric.matrix()
    metric.reset_state()
    metric.update_state(np.where(truth == 1, 255, 0), logits)
    with pytest.raises(ValueError, match="masks of 0 and 255"):
        metric.matrix()
    for options, match in (
        ({"threshold": 1.5}, "a probability"),
        ({"threshold": [0.5, 0.5]}, "one for each label"),
    ):
        with pytest.raises(ValueError, match=match):
            MeanIoU(LABELS, multi_label=True, **options)
    with pytest.raises(ValueError, match="one for each label"):
        MeanIoU(2, threshold=[0.5, 0.5])
    with pytest.raises(ValueError, match="of labels, both"):
        metric.update_state(truth[..., :2], logits)
