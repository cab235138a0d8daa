import keras
import numpy as np
import pytest

from keras_seg.metrics import MeanIoU
from keras_seg.training import Settings
from keras_seg.training import recipe


def test_recipe():
    given = recipe(Settings(learning_rate=0.5, weight_decay=0.25), 3, 10)
    optimizer = given["optimizer"]
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.weight_decay == 0.25
    (metric,) = given["metrics"]
    assert isinstance(metric, MeanIoU)
    assert metric.num_classes == 3
    schedule = optimizer._learning_rate
    for step, rate in ((0, 0.5), (5, 0.5 * 0.5**0.9), (10, 0.0)):
        assert float(schedule(step)) == pytest.approx(rate, abs=1e-7)


def test_loss_leaves_void_out():
    loss = recipe(Settings(), 2, 10)["loss"]
    logits = np.array([[[[0.0, 0.0], [9.0, 0.0]]]], "float32")
    value = float(loss(np.array([[[0, 255]]]), logits))
    assert value == pytest.approx(np.log(2), rel=1e-5)
    assert float(loss(np.array([[[255, 255]]]), logits)) == 0.0
