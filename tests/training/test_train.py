import csv
import dataclasses
import shutil
import sys
import types

import keras
import numpy as np
import pytest

from keras_seg.applications import UNet
from keras_seg.data import Batches
from keras_seg.data import ClassTable
from keras_seg.data import Shrunk
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.inference import evaluate
from keras_seg.inference.scores import longest_side_of
from keras_seg.ops import resize
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs import RunWarning
from keras_seg.runs import Settings
from keras_seg.runs import class_table_of
from keras_seg.runs.files import lock
from keras_seg.training import resume
from keras_seg.training import train
from keras_seg.training.recipes import finetune
from keras_seg.visualization import can_plot
from tests.networks import outputs
from tests.networks import randomize
from tests.training.runs import assert_same_run
from tests.training.runs import check_whole_files

# Small networks predict one class at first.
pytestmark = pytest.mark.filterwarnings("ignore:Only:keras_seg.runs.RunWarning")

EPOCHS, STEPS = 3, 3

# Its dropout draws from a random generator in every step.
SETTINGS = Settings(
    model="unet",
    backbone=None,
    weights=None,
    options={"filters": 2, "depth": 1, "dropout": 0.5},
    epochs=EPOCHS,
    batch_size=2,
    crop=(32, 32),
    scale=(0.75, 1.5),
    learning_rate=1e-2,
    loss="cross_entropy+dice",
    class_weights="balanced",
    accumulate=2,
    ema=0.5,
)


@pytest.fixture(scope="module")
def pairs():
    images, masks = synthetic.membranes(8, size=48)
    return list(zip(images, masks, strict=True))


def fit(settings, pairs, *args, **options):
    options.setdefault("class_table", synthetic.MEMBRANE_CLASSES)
    return train(settings, pairs, *args, verbose=0, **options)


def change(**values):
    return dataclasses.replace(SETTINGS, **values)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, pairs):
    """A run that nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "run"
    model, history = fit(SETTINGS, pairs[:6], pairs[6:], out)
    return out, model, history


def test_run_folder(pairs, whole):
    out, model, history = whole
    drawn = {"curves.png", "confusion.png"} if can_plot() else set()
    assert {file.name for file in out.iterdir()} == drawn | {
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
    check_whole_files(out)
    samples = sorted(p.name for p in (out / "samples").iterdir())
    assert samples == [f"epoch_00{n}.png" for n in (1, 2, 3)]
    run = RunFolder.open(out)
    assert run.settings == SETTINGS.resolved()
    assert run.class_table == synthetic.MEMBRANE_CLASSES
    assert class_table_of(run.load_model()) == synthetic.MEMBRANE_CLASSES
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


@pytest.mark.once
def test_patience(pairs, tmp_path, monkeypatch):
    """The best epoch is the first, two more follow; no more when it goes on."""
    settings = change(learning_rate=1e-12, epochs=9, patience=2)
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[train.__module__], "finish", _killed)
        with pytest.raises(KeyboardInterrupt):
            fit(settings, pairs[:2], pairs[6:], tmp_path / "run")
    model, history = resume(tmp_path / "run", pairs[:2], pairs[6:], verbose=0)
    assert len(history.history["loss"]) == 3
    assert RunFolder.open(tmp_path / "run").is_finished
    # The averages, which do not follow from another epoch.
    saved = RunFolder.open(tmp_path / "run").load_model(best=False)
    for one, two in zip(saved.weights, model.weights, strict=True):
        one, two = map(keras.ops.convert_to_numpy, (one, two))
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match="hold some out.*patience=2"):
        fit(settings, pairs[:2])


@pytest.mark.once
def test_half_precision(pairs, tmp_path):
    """Layers compute in bfloat16; weights and logits are float32."""
    before = keras.config.dtype_policy()
    settings = change(precision="mixed_bfloat16", epochs=1, ema=None)
    fit(settings, pairs[:2], pairs[6:], tmp_path / "run")
    assert keras.config.dtype_policy() == before
    model = RunFolder.open(tmp_path / "run").load_model()
    kinds = {
        (layer.compute_dtype, layer.variable_dtype)
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    assert ("bfloat16", "float32") in kinds
    assert model.outputs[0].dtype == "float32"
    found = evaluate(model, pairs[6:], class_table=synthetic.MEMBRANE_CLASSES)
    assert 0 < found.scores.pixel_accuracy <= 1


def _killed(*args):
    raise KeyboardInterrupt


@pytest.mark.once
def test_without_a_folder(pairs, whole):
    """Another seed; validation images of two sizes; a callback of one's own.

    That the same seed gives the same run is seen by what is resumed below.
    """
    cut = [(pairs[6][0][:30], pairs[6][1][:30]), pairs[7]]
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(logs["loss"])
    )
    settings = change(seed=1, epochs=1)
    _, history = fit(settings, pairs[:6], cut, callbacks=[callback])
    assert np.isfinite(history.history["val_mean_iou"][0])
    assert seen == history.history["loss"]
    assert seen[0] != whole[2].history["loss"][0]


# What draws the samples says so, too.
@pytest.mark.once
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
        "the learning rate; if that does not help, look for images that are "
        "not of 0..255, for float16, and at a loss of your own. "
        "Received: learning_rate=0.01"
    )
    assert not (out / "model.keras").exists()
    assert not RunFolder.open(out).is_finished


@pytest.mark.once
@pytest.mark.parametrize(
    ("settings", "options", "text"),
    [
        (change(model="nope"), {}, "`model` must be one of"),
        (change(model="fcn8s", options={}), {}, "FCN8s needs a backbone"),
        (SETTINGS, {"class_table": None}, "`class_table` must be a ClassTable"),
        (
            SETTINGS,
            {"class_table": ClassTable.default(1)},
            "at least 2 classes",
        ),
        (SETTINGS, {"validation": []}, "at least one pair"),
    ],
)
def test_nothing_is_written_before_all_is_checked(
    tmp_path, pairs, settings, options, text
):
    with pytest.raises(ValueError, match=text):
        fit(settings, pairs, out=tmp_path / "run", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
def test_other_classes_in_validation(tmp_path, pairs):
    class Data(list):
        class_table = ClassTable.default(2)

    with pytest.raises(ValueError) as caught:
        fit(SETTINGS, pairs[:4], Data(pairs[4:]), tmp_path / "run")
    assert str(caught.value) == (
        "`data` and `validation` must have the same classes. Received: "
        "cell, membrane and class 0, class 1"
    )


@pytest.mark.once
def test_folder_is_not_free(tmp_path, pairs):
    (tmp_path / "a").write_text("")
    with pytest.raises(RunError, match="is not empty"):
        fit(SETTINGS, pairs, out=tmp_path)


@pytest.mark.once
def test_no_room_on_the_disk(tmp_path, pairs, monkeypatch):
    usage = types.SimpleNamespace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(RunError, match="and the disk has 0 MiB free. Fix: fr"):
        fit(SETTINGS, pairs, out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_first_steps(parity):
    """Same weights, same batches: the same losses on every backend.

    Only the first ones: AdamW divides by the size of a gradient, so what
    differs by rounding grows from step to step.
    """
    images, masks = synthetic.shapes(8, size=40, classes=3)
    batches = Batches(
        list(zip(images, masks, strict=True)),
        4,
        [
            augment.RandomScale(0.75, 1.5),
            augment.RandomCrop(32),
            augment.RandomFlip(),
        ],
        shuffle=True,
    )
    model = randomize(UNet(classes=3, filters=4, depth=2, dropout=0.0))
    model.compile(**finetune(images, classes=3, epochs=10))
    losses = [float(model.train_on_batch(*batches[i])[0]) for i in range(2)]
    assert np.isfinite(losses).all() and losses[0] != losses[1]
    parity("training_losses", np.array(losses))


class Stop(keras.callbacks.Callback):
    """Ends the process's part in a run, in a step of an epoch."""

    def __init__(self, epoch, step):
        super().__init__()
        self.at = (epoch, step)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise InterruptedError


def go_on(out, pairs, *callbacks):
    return resume(out, pairs[:6], pairs[6:], callbacks=callbacks, verbose=0)


def test_stopped_at_random(tmp_path, pairs, whole):
    """In any step of any epoch; twice where a start is cheap."""
    rng = np.random.default_rng()
    times = 2 if keras.config.backend() == "torch" else 1
    out = tmp_path / "run"
    for epoch in sorted(rng.choice(EPOCHS, times, replace=False)):
        stop = Stop(epoch, rng.integers(STEPS))
        with pytest.raises(InterruptedError):
            if out.exists():
                go_on(out, pairs, stop)
            else:
                fit(SETTINGS, pairs[:6], pairs[6:], out, callbacks=[stop])
    _, history = go_on(out, pairs)
    assert_same_run(out, whole[0])
    for name, values in whole[2].history.items():
        np.testing.assert_allclose(history.history[name], values, atol=1e-6)
    assert history.epoch == whole[2].epoch


def message(tmp_path, function, *args, **options):
    with pytest.raises(RunError) as caught:
        function(*args, **options)
    return str(caught.value).replace(str(tmp_path), "HERE")


def copy(whole, tmp_path, *without):
    return shutil.copytree(
        whole[0], tmp_path / "run", ignore=lambda *_: without
    )


def test_killed_after_the_last_epoch(tmp_path, pairs, whole):
    """All is trained; the scores and the model card are missing."""
    out = copy(whole, tmp_path, "README.md", "per_class_iou.csv")
    _, history = go_on(out, pairs)
    assert_same_run(out, whole[0])
    assert history.history == whole[2].history


def test_another_backend(tmp_path, pairs, whole):
    out = copy(whole, tmp_path, "README.md", "state.npz")
    path = out / "environment.txt"
    now = keras.config.backend()
    path.write_text(path.read_text().replace(now, "theano"))
    with pytest.warns(RunWarning, match=f"on theano and goes on on {now}"):
        with pytest.raises(InterruptedError):
            go_on(out, pairs, Stop(0, 0))


@pytest.mark.once
def test_finished(tmp_path, pairs, whole):
    out = copy(whole, tmp_path)
    assert message(tmp_path, go_on, out, pairs) == (
        f"HERE/run is finished: {EPOCHS} epochs. Fix: to train for more, "
        "train into a new folder with more epochs; its learning rate falls "
        "with their number."
    )


@pytest.mark.once
def test_changed_data(tmp_path, pairs, whole):
    out = copy(whole, tmp_path, "README.md")
    fix = "Fix: put them back, or train into a new folder."
    assert message(tmp_path, resume, out, pairs[:5], pairs[6:]) == (
        "The data have changed since HERE/run began: the images to train on "
        f"are 5 images instead of the 6 it was begun with. {fix}"
    )
    assert message(tmp_path, resume, out, pairs[:6], pairs[5:7]) == (
        "The data have changed since HERE/run began: the images held out "
        f"are other files than it was begun with. {fix}"
    )
    assert message(tmp_path, resume, out) == (
        "HERE/run was trained on data that were not read from a folder. "
        "Fix: pass them again, resume(path, data, validation)."
    )


@pytest.mark.once
def test_a_run_by_hand(tmp_path):
    RunFolder.create(tmp_path / "run", None, ClassTable.default(2))
    assert message(tmp_path, resume, tmp_path / "run") == (
        "HERE/run was not written by train, which alone knows how its model "
        "is built and compiled. Fix: build and compile it again, and use "
        "SaveRun(run).restore(model, batches)."
    )


@pytest.mark.once
def test_damaged_state(tmp_path, pairs, whole):
    out = copy(whole, tmp_path, "README.md")
    path = out / "state.npz"
    path.write_bytes(path.read_bytes()[:-100])
    text = message(tmp_path, go_on, out, pairs)
    assert text.startswith("HERE/run/state.npz cannot be read: ")
    assert text.endswith("Fix: copy it again from its source, or train again.")


@pytest.mark.once
def test_another_model(tmp_path, pairs, whole):
    out = copy(whole, tmp_path, "README.md")
    path = out / "settings.json"
    path.write_text(path.read_text().replace('"filters": 2', '"filters": 3'))
    text = message(tmp_path, go_on, out, pairs)
    assert text.startswith("HERE/run/state.npz is of another model, optimizer")


@pytest.mark.once
def test_one_process_at_a_time(tmp_path, pairs, whole):
    out = copy(whole, tmp_path, "README.md")
    with lock(out / "classes.csv"):
        assert message(tmp_path, go_on, out, pairs) == (
            "HERE/run is being trained by another process. Fix: wait for it, "
            "or end it."
        )


@pytest.mark.once
def test_images_are_shrunk(tmp_path, pairs):
    """Trained on 24 pixels, it predicts and is scored on whole images."""
    settings = change(size=24, crop=(16, 16), epochs=1)
    model, history = fit(settings, pairs[:6], pairs[6:], tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    assert run.settings.size == 24
    image, mask = pairs[7]
    (part,) = (x for x in model.layers if isinstance(x, keras.Model))
    seen, _ = Shrunk(pairs, 24)[7]
    expected = resize(outputs(part, seen[None].astype("float32")), mask.shape)
    for whole in (model, run.load_model()):
        assert class_table_of(whole) == synthetic.MEMBRANE_CLASSES
        assert longest_side_of(whole) == 24
        found = outputs(whole, image[None].astype("float32"))
        # What is trained on is rounded to whole grays.
        np.testing.assert_allclose(
            found, keras.ops.convert_to_numpy(expected), atol=0.05
        )
    scored = evaluate(run.load_model(), pairs[6:], class_table=run.class_table)
    assert scored.matrix.sum() == 2 * 48 * 48
    rows = [float(row["iou"]) for row in run.scores()]
    assert rows == pytest.approx(scored.scores.per_class_iou.tolist())
    # Validation is at the size that is trained on.
    small = evaluate(part, Shrunk(pairs[6:], 24))
    found = history.history["val_mean_iou"][0]
    assert found == pytest.approx(small.scores.mean_iou)


@pytest.mark.once
def test_bad_sizes():
    for size in (0, 2.5, "480"):
        with pytest.raises(ValueError, match="Received: size="):
            change(size=size)
