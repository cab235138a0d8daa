"""Metrics of one matrix: papers.md 3.1, its golden, and scikit-learn."""

import keras
import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.metrics import balanced_accuracy_score
from sklearn.metrics import jaccard_score

from keras_seg import metrics

# papers.md 3.1: the golden example.
GOLDEN = np.array([[50, 5, 0], [4, 30, 1], [0, 10, 0]])
VALUES = {
    "PixelAccuracy": 0.8,
    "MeanAccuracy": 0.58874,
    "MeanIoU": 0.48249,
    "FrequencyWeightedIoU": 0.67610,
}


def build(name, classes=3):
    return getattr(metrics, name)(classes)


@pytest.mark.parametrize("name", VALUES)
def test_golden(name):
    metric = build(name)
    metric.merge(GOLDEN)
    assert float(metric.result()) == pytest.approx(VALUES[name], abs=5e-6)
    assert metric._direction == "up"
    copy = type(metric).from_config(metric.get_config())
    assert copy.get_config() == metric.get_config()


@pytest.mark.parametrize("index", [0, 1, 2])
def test_golden_of_a_class(index):
    """papers.md 3.1: IoU (.84746, .60000, .00000)."""
    metric = metrics.ClassIoU(3, class_id=index)
    metric.merge(GOLDEN)
    expected = (0.84746, 0.6, 0.0)[index]
    assert float(metric.result()) == pytest.approx(expected, abs=5e-6)
    assert metric.name == f"iou_{index}"


def test_random_data_equal_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (2, 9, 8)).astype("uint8")
    truth[rng.random(truth.shape) < 0.2] = 255
    logits = rng.normal(size=(*truth.shape, 3)).astype("float32")
    found = {}
    for name in VALUES:
        metric = build(name)
        metric.update_state(truth, logits)
        found[name] = float(metric.result())
    known = truth != 255
    y, z = truth[known], logits.argmax(-1)[known]
    expected = {
        "PixelAccuracy": accuracy_score(y, z),
        "MeanAccuracy": balanced_accuracy_score(y, z),
        "MeanIoU": jaccard_score(y, z, average="macro"),
        "FrequencyWeightedIoU": jaccard_score(y, z, average="weighted"),
    }
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", VALUES)
def test_nothing_counted_and_a_wrong_id(name):
    metric = build(name)
    assert np.isnan(float(metric.result()))
    metric.update_state([[0, 7]], [[0, 1]])
    assert np.isnan(float(metric.result()))
    with pytest.raises(ValueError, match="1 pixels of y_true"):
        metric.matrix()


def test_a_class_that_is_absent():
    for rule, expected in (("union", 0.0), ("truth", np.nan)):
        metric = metrics.ClassIoU(3, class_id=2, absent_classes=rule)
        metric.update_state([[0, 1]], [[0, 2]])
        np.testing.assert_equal(float(metric.result()), expected)
    with pytest.raises(ValueError, match="Received: class_id=3"):
        metrics.ClassIoU(3, class_id=3)


def test_best_of_a_fit(tmp_path):
    """Early stopping and checkpoints know that more is better."""
    model = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 1)]
    )
    monitor = keras.callbacks.EarlyStopping("frequency_weighted_iou")
    keep = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5",
        monitor="pixel_accuracy",
        save_best_only=True,
        save_weights_only=True,
    )
    x, y = np.ones((1, 4, 4, 3)), np.zeros((1, 4, 4, 1))
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[build(name) for name in VALUES],
    )
    model.fit(x, y, verbose=0, callbacks=[monitor, keep])
    assert monitor.monitor_op(0.2, 0.1) and not monitor.monitor_op(0.1, 0.2)
    assert keep.monitor_op(0.2, 0.1) and not keep.monitor_op(0.1, 0.2)
    assert (tmp_path / "best.weights.h5").exists()
