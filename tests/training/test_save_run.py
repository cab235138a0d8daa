import csv
import math

import keras
import pytest

from keras_seg.data import ClassTable
from keras_seg.training import RunFolder
from keras_seg.training import SaveRun
from keras_seg.training import Settings


@pytest.fixture
def saving(tmp_path):
    image = keras.Input((None, None, 3))
    output = keras.layers.Conv2D(2, 1, kernel_initializer="zeros")(image)
    run = RunFolder.create(tmp_path, Settings(), ClassTable.default(2))
    callback = SaveRun(run)
    callback.set_model(keras.Model(image, output))
    return callback


def set_kernel(saving, value):
    saving.model.layers[-1].kernel.assign([[[[value] * 2] * 3]])


def kernel(saving, best):
    path = saving.run.path / ("best.keras" if best else "model.keras")
    model = keras.saving.load_model(path, compile=False)
    return float(model.layers[-1].get_weights()[0][0, 0, 0, 0])


def epochs(saving, *values):
    for epoch, value in enumerate(values):
        set_kernel(saving, epoch + 1.0)
        saving.on_epoch_end(epoch, {"loss": 1.0, "val_mean_iou": value})


def test_last_and_best(saving):
    epochs(saving, 0.25, 0.5, math.nan, 0.5, 0.125)
    assert kernel(saving, best=False) == 5.0
    assert kernel(saving, best=True) == 2.0


def test_without_validation(saving):
    saving.on_epoch_end(0, {"loss": 1.0})
    assert (saving.run.path / "model.keras").is_file()
    assert not (saving.run.path / "best.keras").exists()


def test_history(saving):
    saving.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.25})
    saving.on_epoch_end(1, {"loss": math.nan})
    with open(saving.run.path / "history.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"epoch": "1", "loss": "0.5", "val_loss": "0.25"},
            {"epoch": "2", "loss": "nan", "val_loss": ""},
        ]


def test_nan_does_not_replace_a_model(saving):
    epochs(saving, 0.5)
    set_kernel(saving, math.nan)
    saving.on_epoch_end(1, {"loss": math.nan, "val_mean_iou": 0.9})
    assert kernel(saving, best=False) == kernel(saving, best=True) == 1.0


def test_old_models_survive_a_failure(saving, monkeypatch):
    epochs(saving, 0.5)
    before = sorted(saving.run.path.iterdir())
    set_kernel(saving, 2.0)

    def fail(path):
        path.write_bytes(b"half of a mod")
        raise OSError("No space left on device")

    monkeypatch.setattr(saving.model, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        saving.on_epoch_end(1, {"loss": 1.0, "val_mean_iou": 0.9})
    assert kernel(saving, best=False) == kernel(saving, best=True) == 1.0
    assert sorted(saving.run.path.iterdir()) == before
