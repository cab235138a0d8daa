"""The moving average of the weights, in `fit` and in what it saves."""

import keras
import numpy as np
import pytest

from keras_seg.data import Batches
from keras_seg.data import synthetic
from keras_seg.inference import evaluate
from keras_seg.metrics import MeanIoU
from keras_seg.training import RunFolder
from keras_seg.training import Settings
from keras_seg.training import train
from keras_seg.training.averaging import averaged
from keras_seg.training.recipes import finetune
from keras_seg.training.setup import dtype_policy

CLASSES = synthetic.MEMBRANE_CLASSES
SETTINGS = Settings(
    model="unet",
    backbone=None,
    weights=None,
    options={"filters": 2, "depth": 1},
    epochs=2,
    batch_size=2,
    crop=32,
    learning_rate=0.1,
    ema=0.75,
)


@pytest.fixture(scope="module")
def pairs():
    return list(zip(*synthetic.membranes(6, size=32), strict=True))


class Weights(keras.callbacks.Callback):
    """Records the weights at the end of every epoch, a step each."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        arrays = map(keras.ops.convert_to_numpy, self.model.trainable_weights)
        self.seen.append([np.array(array) for array in arrays])


def test_recurrence(pairs):
    """average ← 0.75 average + 0.25 weights, from the first weights on."""
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    model.compile(
        **finetune(pairs, classes=2, epochs=4, batch_size=6, ema=0.75)
    )
    weights = Weights()
    model.fit(Batches(pairs, 6), epochs=4, callbacks=[weights], verbose=0)
    expected = weights.seen[0]
    for now in weights.seen[1:]:
        expected = [
            0.75 * old + 0.25 * new
            for old, new in zip(expected, now, strict=True)
        ]
    # `fit` ends with the averages in place of the weights.
    for weight, array in zip(model.trainable_weights, expected, strict=True):
        found = keras.ops.convert_to_numpy(weight)
        np.testing.assert_allclose(found, array, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Only:keras_seg.runs.RunWarning")
@pytest.mark.parametrize(
    "policy",
    [pytest.param("float32", marks=pytest.mark.once), "mixed_float16"],
)
def test_a_run_validates_and_saves_the_average(pairs, tmp_path, policy):
    """The raw weights go on being trained; the files have the averages."""
    weights = Weights()
    with dtype_policy(policy):
        model, history = train(
            SETTINGS,
            pairs[:4],
            pairs[4:],
            tmp_path / "run",
            class_table=CLASSES,
            callbacks=[weights],
            verbose=0,
        )
    run = RunFolder.open(tmp_path / "run")
    saved = run.load_model(best=False)
    for one, two, raw in zip(
        saved.trainable_weights,
        model.trainable_weights,
        weights.seen[-1],
        strict=True,
    ):
        one, two = map(keras.ops.convert_to_numpy, (one, two))
        np.testing.assert_allclose(one, two, atol=1e-6)
        assert np.abs(one - raw).max() > 1e-4
    found = evaluate(saved, pairs[4:], class_table=CLASSES)
    assert history.history["val_mean_iou"][-1] == pytest.approx(
        found.scores.mean_iou, abs=1e-5
    )


def test_nothing_without_averages():
    image = keras.Input((2,))
    model = keras.Model(image, keras.layers.Dense(1)(image))
    before = model.get_weights()
    with averaged(model):
        assert np.array_equal(model.get_weights()[0], before[0])
    model.compile("sgd", "mse", metrics=[MeanIoU(2)])
    with averaged(model):
        assert np.array_equal(model.get_weights()[0], before[0])
