import csv
import errno
import math
import os
import pathlib
import time
import types

import keras
import numpy as np
import pytest

from keras_seg import visualization
from keras_seg.data import ClassTable
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs import Settings
from keras_seg.runs import files
from keras_seg.runs import folder
from keras_seg.training import SaveRun
from keras_seg.training import save_run
from keras_seg.training.checkpoint import read_checkpoint
from tests.training.runs import check_whole_files


@pytest.fixture
def saving(tmp_path):
    image = keras.Input((None, None, 3))
    output = keras.layers.Conv2D(2, 1, kernel_initializer="zeros")(image)
    run = RunFolder.create(tmp_path, Settings(), ClassTable.default(2))
    callback = SaveRun(run)
    model = keras.Model(image, output)
    model.compile("sgd", "mse")
    callback.set_model(model)
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
        rows = list(csv.DictReader(file))
    assert all(float(row.pop("seconds")) >= 0 for row in rows)
    assert rows == [
        {"epoch": "1", "loss": "0.5", "val_loss": "0.25"},
        {"epoch": "2", "loss": "nan", "val_loss": ""},
    ]


def test_nan_does_not_replace_a_model(saving):
    epochs(saving, 0.5)
    set_kernel(saving, math.nan)
    saving.on_epoch_end(1, {"loss": math.nan, "val_mean_iou": 0.9})
    assert kernel(saving, best=False) == kernel(saving, best=True) == 1.0


def test_the_state_comes_last(saving, monkeypatch):
    """Killed before it, the run does the epoch again; after, it is done."""
    names = []
    writing = save_run.writing

    def spy(path):
        names.append(path.name)
        return writing(path)

    for module in (save_run, files, folder):
        monkeypatch.setattr(module, "writing", spy)
    epochs(saving, 0.5)
    names = [name for name in names if name != "curves.png"]
    assert names == ["history.csv", "best.keras", "model.keras", "state.npz"]


def test_restore(saving):
    """Best value and history go on; the optimizer's step too."""
    epochs(saving, 0.25, 0.5)
    saving.model.optimizer.iterations.assign(7)
    epochs(saving, 0.25)
    again = SaveRun(saving.run)
    model = keras.models.clone_model(saving.model)
    model.compile("sgd", "mse")
    batches = types.SimpleNamespace(epoch=0)
    assert again.restore(model, batches) == batches.epoch == 1
    assert again.best == 0.5 and again.best_epoch == 2
    assert again.rows == saving.rows
    assert int(model.optimizer.iterations) == 7
    again.set_model(model)
    again.on_epoch_end(1, {"loss": 1.0, "val_mean_iou": 0.5})
    assert kernel(again, best=True) == 2.0  # not larger


def test_nothing_to_restore(saving):
    batches = types.SimpleNamespace(epoch=0)
    assert saving.restore(saving.model, batches) == batches.epoch == 0


def full_disk(monkeypatch, name):
    """No room for a file of that name."""
    real = os.replace

    def replace(source, target):
        if pathlib.Path(target).name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize(
    "name", ["history.csv", "best.keras", "model.keras", "state.npz"]
)
def test_full_disk(saving, monkeypatch, name):
    """A sentence, no half-written file, and a state to go on from."""
    epochs(saving, 0.5)
    set_kernel(saving, 2.0)
    full_disk(monkeypatch, name)
    with pytest.raises(RunError) as caught:
        saving.on_epoch_end(1, {"loss": 1.0, "val_mean_iou": 0.9})
    text = str(caught.value)
    assert text.startswith(
        f"{saving.run.path / name} cannot be written: No space left on device"
    )
    assert text.endswith("What was written before is whole. Fix: make room.")
    check_whole_files(saving.run.path)
    assert not any(p.name.startswith(".") for p in saving.run.path.iterdir())
    facts, arrays = read_checkpoint(saving.run.path / "state.npz")
    assert facts["epoch"] == 1 and facts["best"] == 0.5
    assert arrays["model_00000"].ravel()[0] == 1.0


@pytest.mark.once
def test_full_disk_for_real(saving):
    """The system itself refuses a write in the midst of a file."""
    resource = pytest.importorskip("resource")
    epochs(saving, 0.5)
    set_kernel(saving, 2.0)
    size = (saving.run.path / "model.keras").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
    try:
        with pytest.raises(RunError, match=r"best\.keras cannot be written"):
            saving.on_epoch_end(1, {"loss": 1.0, "val_mean_iou": 0.9})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    check_whole_files(saving.run.path)
    assert kernel(saving, best=False) == kernel(saving, best=True) == 1.0
    assert not any(p.name.startswith(".") for p in saving.run.path.iterdir())


@pytest.mark.once
def test_little_time_is_spent_on_curves(saving, monkeypatch):
    """A drawing of 0.5 s: at most one in 10.5 s, and one when asked for."""
    now = [100.0]
    drawn = []

    def draw(rows, best=None):
        now[0] += 0.5
        drawn.append(round(now[0], 1))
        return np.zeros((1, 1, 3), "uint8")

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(visualization, "can_plot", lambda: True)
    monkeypatch.setattr(visualization, "curves", draw)
    for _ in range(25):
        saving.draw_curves()
        now[0] += 1.0
    assert drawn == [100.5, 111.0, 121.5]
    saving.draw_curves(always=True)
    assert len(drawn) == 4
    monkeypatch.setattr(visualization, "can_plot", lambda: False)
    saving.draw_curves(always=True)
    assert len(drawn) == 4
