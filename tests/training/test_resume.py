"""A run that was stopped anywhere ends as if it had not been."""

import shutil

import keras
import numpy as np
import pytest

from keras_seg.data import ClassTable
from keras_seg.data import synthetic
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs import RunWarning
from keras_seg.runs import Settings
from keras_seg.runs.files import lock
from keras_seg.training import resume
from keras_seg.training import train
from tests.training.runs import assert_same_run

# Small networks predict one class at first.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Only:keras_seg.training.RunWarning"
)

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
)


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


@pytest.fixture(scope="module")
def pairs():
    images, masks = synthetic.membranes(8, size=32)
    return list(zip(images, masks, strict=True))


def begin(out, pairs, *callbacks, settings=SETTINGS):
    return train(
        settings,
        pairs[:6],
        pairs[6:],
        out,
        classes=synthetic.MEMBRANE_CLASSES,
        callbacks=callbacks,
        verbose=0,
    )


def go_on(out, pairs, *callbacks):
    return resume(out, pairs[:6], pairs[6:], callbacks=callbacks, verbose=0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, pairs):
    """A run that nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "run"
    _, history = begin(out, pairs)
    return out, history


def test_stopped_at_random(tmp_path, pairs, whole):
    """In any step of any epoch; twice where a start is cheap."""
    rng = np.random.default_rng()
    times = 2 if keras.config.backend() == "torch" else 1
    out = tmp_path / "run"
    for epoch in sorted(rng.choice(EPOCHS, times, replace=False)):
        start = go_on if out.exists() else begin
        with pytest.raises(InterruptedError):
            start(out, pairs, Stop(epoch, rng.integers(STEPS)))
    _, history = go_on(out, pairs)
    assert_same_run(out, whole[0])
    for name, values in whole[1].history.items():
        np.testing.assert_allclose(history.history[name], values, atol=1e-6)
    assert history.epoch == whole[1].epoch


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
    assert history.history == whole[1].history


def test_another_backend(tmp_path, pairs, whole):
    out = copy(whole, tmp_path, "README.md", "state.npz")
    path = out / "environment.txt"
    now = keras.config.backend()
    path.write_text(path.read_text().replace(now, "theano"))
    with pytest.warns(RunWarning, match=f"on theano and goes on on {now}"):
        with pytest.raises(InterruptedError):
            go_on(out, pairs, Stop(0, 0))


def test_finished(tmp_path, pairs, whole):
    out = copy(whole, tmp_path)
    assert message(tmp_path, go_on, out, pairs) == (
        f"HERE/run is finished: {EPOCHS} epochs. Fix: to train for more, "
        "train into a new folder with more epochs; its learning rate falls "
        "with their number."
    )


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


def test_a_run_by_hand(tmp_path):
    RunFolder.create(tmp_path / "run", None, ClassTable.default(2))
    assert message(tmp_path, resume, tmp_path / "run") == (
        "HERE/run was not written by train, which alone knows how its model "
        "is built and compiled. Fix: build and compile it again, and use "
        "SaveRun(run).restore(model, batches)."
    )


def test_damaged_state(tmp_path, pairs, whole):
    out = copy(whole, tmp_path, "README.md")
    path = out / "state.npz"
    path.write_bytes(path.read_bytes()[:-100])
    text = message(tmp_path, go_on, out, pairs)
    assert text.startswith("HERE/run/state.npz cannot be read: ")
    assert text.endswith("Fix: copy it again from its source, or train again.")


def test_another_model(tmp_path, pairs, whole):
    out = copy(whole, tmp_path, "README.md")
    path = out / "settings.json"
    path.write_text(path.read_text().replace('"filters": 2', '"filters": 3'))
    text = message(tmp_path, go_on, out, pairs)
    assert text.startswith("HERE/run/state.npz is of another model, optimizer")


def test_one_process_at_a_time(tmp_path, pairs, whole):
    out = copy(whole, tmp_path, "README.md")
    with lock(out / "classes.csv"):
        assert message(tmp_path, go_on, out, pairs) == (
            "HERE/run is being trained by another process. Fix: wait for it, "
            "or end it."
        )
