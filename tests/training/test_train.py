import csv
import dataclasses
import re
import shutil
import types

import keras
import numpy as np
import pytest

from keras_seg.data import ClassTable
from keras_seg.data import synthetic
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs import Settings
from keras_seg.training import train
from keras_seg.visualization import can_plot
from tests.training.runs import check_whole_files

# Small networks predict one class at first.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Only:keras_seg.training.RunWarning"
)

SETTINGS = Settings(
    model="unet",
    backbone=None,
    weights=None,
    options={"filters": 4, "depth": 2},
    epochs=2,
    batch_size=4,
    crop=(32, 32),
    scale=(0.75, 1.5),
)


@pytest.fixture(scope="module")
def pairs():
    images, masks = synthetic.membranes(8, size=48)
    return list(zip(images, masks, strict=True))


def fit(settings, pairs, *args, **options):
    options.setdefault("classes", synthetic.MEMBRANE_CLASSES)
    return train(settings, pairs, *args, verbose=0, **options)


def change(**values):
    return dataclasses.replace(SETTINGS, **values)


def test_run_folder(tmp_path, pairs):
    model, history = fit(SETTINGS, pairs[:5], pairs[5:], tmp_path / "run")
    drawn = {"curves.png", "confusion.png"} if can_plot() else set()
    assert {file.name for file in (tmp_path / "run").iterdir()} == drawn | {
        "README.md",
        "best.keras",
        "class_history.csv",
        "classes.csv",
        "data.json",
        "environment.txt",
        "history.csv",
        "log.txt",
        "model.keras",
        "per_class_iou.csv",
        "samples",
        "settings.json",
        "state.npz",
    }
    check_whole_files(tmp_path / "run")
    samples = sorted(p.name for p in (tmp_path / "run/samples").iterdir())
    assert samples == ["epoch_001.png", "epoch_002.png"]
    run = RunFolder.open(tmp_path / "run")
    assert run.settings == SETTINGS.resolved()
    assert run.classes == synthetic.MEMBRANE_CLASSES
    with open(run.path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for name, values in history.history.items():
        assert [float(row[name]) for row in rows] == pytest.approx(values)
    assert_class_history(run, history)
    last = run.load_model(best=False)
    image = pairs[0][0][None, :37, :41]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(last(image)),
        keras.ops.convert_to_numpy(model(image)),
        atol=1e-5,
    )


def assert_class_history(run, history):
    """Its mean over the classes is Keras's metric of the same epoch."""
    with open(run.path / "class_history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for epoch, mean in enumerate(history.history["val_mean_iou"], start=1):
        ious = [float(r["iou"]) for r in rows if int(r["epoch"]) == epoch]
        assert len(ious) == 2
        assert np.nanmean(ious) == pytest.approx(mean, abs=1e-6)
    best = max(history.history["val_mean_iou"])
    ious = [row["iou"] for row in run.scores()]
    assert np.nanmean(ious) == pytest.approx(best, abs=1e-3)


def test_same_seed_same_run(pairs):
    first, second, other = (
        fit(settings, pairs[:6], pairs[6:])[1].history
        for settings in (SETTINGS, SETTINGS, change(seed=1))
    )
    assert first == second
    assert first["loss"] != other["loss"]


def test_validation_images_of_different_sizes(pairs):
    cut = [(pairs[0][0][:30], pairs[0][1][:30]), pairs[1]]
    _, history = fit(change(epochs=1), pairs[:4], cut)
    assert np.isfinite(history.history["val_mean_iou"][0])


def test_callbacks(pairs):
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(sorted(logs))
    )
    fit(change(epochs=1), pairs[:4], callbacks=[callback])
    assert seen == [["loss", "mean_iou", "pixel_accuracy"]]


# What draws the samples says so, too.
@pytest.mark.filterwarnings("ignore:.* are NaN or infinite:UserWarning")
def test_divergence(tmp_path, pairs):
    out = tmp_path / "run"

    class Spoil(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            layer = [x for x in self.model.layers if x.weights][-1]
            layer.set_weights([w * np.nan for w in layer.get_weights()])

    with pytest.raises(RunError) as caught:
        fit(SETTINGS, pairs[:4], None, out, callbacks=[Spoil()])
    assert str(caught.value) == (
        "The loss became nan in epoch 1: training has diverged. Fix: lower "
        "the learning rate; if that does not help, look for images with NaN, "
        "for float16, and at a loss of your own. "
        "Received: learning_rate=0.001"
    )
    assert not (out / "model.keras").exists()
    assert not RunFolder.open(out).is_finished


@pytest.mark.parametrize(
    ("settings", "options", "text"),
    [
        (change(model="nope"), {}, "`model` must be one of"),
        (change(model="fcn8s", options={}), {}, "FCN8s needs a backbone"),
        (SETTINGS, {"classes": None}, "`classes` must be a ClassTable"),
        (SETTINGS, {"classes": ClassTable.default(1)}, "at least 2 classes"),
        (SETTINGS, {"validation": []}, "at least one pair"),
    ],
)
def test_nothing_is_written_before_all_is_checked(
    tmp_path, pairs, settings, options, text
):
    with pytest.raises(ValueError, match=text):
        fit(settings, pairs, out=tmp_path / "run", **options)
    assert list(tmp_path.iterdir()) == []


def test_other_classes_in_validation(tmp_path, pairs):
    class Data(list):
        classes = ClassTable.default(2)

    with pytest.raises(ValueError) as caught:
        fit(SETTINGS, pairs[:4], Data(pairs[4:]), tmp_path / "run")
    assert str(caught.value) == (
        "`data` and `validation` must have the same classes. Received: "
        "cell, membrane and class 0, class 1"
    )


def test_folder_is_not_free(tmp_path, pairs):
    (tmp_path / "a").write_text("")
    with pytest.raises(RunError, match="is not empty"):
        fit(SETTINGS, pairs, out=tmp_path)


def test_no_room_on_the_disk(tmp_path, pairs, monkeypatch):
    usage = types.SimpleNamespace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(RunError) as caught:
        fit(SETTINGS, pairs, out=tmp_path / "run")
    # 7474 weights of 4 bytes: 4 times, and Adam's two slots twice.
    assert re.sub(r"\d MiB", "N MiB", str(caught.value)) == (
        f"{tmp_path / 'run'} needs N MiB for its models and the state of "
        "training, and the disk has N MiB free. Fix: free some, or write to "
        "another disk."
    )
    assert list(tmp_path.iterdir()) == []
