import dataclasses
import pathlib
import shutil
import types

import keras
import pytest

from keras_seg.data import synthetic
from keras_seg.runs import RunError
from keras_seg.runs import Settings
from keras_seg.training import dry_run
from keras_seg.training import estimates
from keras_seg.training.estimates import DryRun
from keras_seg.training.estimates import check_space
from keras_seg.training.estimates import peak_memory
from keras_seg.training.estimates import variable_bytes

SETTINGS = Settings(
    model="unet",
    backbone=None,
    weights=None,
    options={"filters": 4, "depth": 2},
    epochs=7,
    batch_size=3,
    crop=32,
)


def test_what_is_known_exactly():
    images, masks = synthetic.membranes(3, size=32)
    found = dry_run(
        SETTINGS,
        list(zip(images, masks, strict=True)),
        class_table=synthetic.MEMBRANE_CLASSES,
    )
    assert found.steps == 1 and found.epochs == 7
    assert found.batch_shape == (3, 32, 32, 3)
    # The first step, which compiles, is not one of those that are timed.
    assert found.seconds_per_step < found.start_seconds
    assert found.parameters == found.trainable == 7474
    # Weights, gradients and two slots; the rest is a few counters.
    assert 0 <= found.variable_bytes - 4 * 4 * 7474 < 100
    assert found.validation_seconds == 0.0
    # The models, the state and the scores are written, too.
    assert min(found.start_seconds, found.seconds_per_step) > 0
    assert min(found.save_seconds, found.end_seconds) > 0
    assert found.peak_bytes > found.variable_bytes
    assert 0.3 < found.loss < 3.0  # log 2 = 0.69, were all logits 0


def test_what_compiles_is_counted_once(monkeypatch):
    """By a clock that goes on for what is counted, as much as it says."""
    clock, compiled = [0.0], set()

    def takes(seconds, name):
        clock[0] += seconds + 1000 * (name not in compiled)
        compiled.add(name)

    def score(model, images, masks):
        takes(masks.size, "validation")

    now = types.SimpleNamespace(monotonic=lambda: clock[0])
    monkeypatch.setattr(estimates, "time", now)
    monkeypatch.setattr(keras.Model, "test_on_batch", score)
    monkeypatch.setattr(
        estimates, "evaluate", lambda _, pairs, **__: takes(len(pairs), "end")
    )
    monkeypatch.setattr(estimates, "finish", lambda *_: takes(7, "finish"))
    pairs = [
        pair
        for size in (32, 64) * 3
        for pair in zip(*synthetic.membranes(1, size=size), strict=True)
    ]
    found = dry_run(
        SETTINGS, pairs, pairs, class_table=synthetic.MEMBRANE_CLASSES
    )
    assert found.validation_seconds == sum(mask.size for _, mask in pairs)
    # The images after the first one, a second each.
    assert found.end_seconds == 1007 + 5


def test_time_of_a_run():
    found = DryRun(0, 0, 0, 0, "", (), 10, 2.0, 5.0, 3.0, 0.5, 7.0, 4, 0.0)
    assert found.seconds == 5 + 4 * (10 * 2 + 3 + 0.5) + 7
    assert dataclasses.replace(found, epochs=0).seconds == 5 + 7


def test_peak_memory_is_that_of_the_kernel():
    status = pathlib.Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("only Linux tells it there")
    (line,) = (x for x in status.read_text().splitlines() if "VmHWM" in x)
    peak, where = peak_memory()
    assert peak == pytest.approx(1024 * int(line.split()[1]), rel=0.01)
    assert where == "the whole process"


def test_bytes_of_every_type():
    kinds = {"float32": 4, "bfloat16": 2, "uint8": 1, "bool": 1}
    for kind, size in kinds.items():
        variable = keras.Variable(
            keras.ops.zeros((3, 5), kind), dtype=kind, trainable=False
        )
        assert variable_bytes([variable]) == 15 * size


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_room_on_the_disk(tmp_path, monkeypatch, name):
    """Refused exactly where what lies there at once would not fit.

    That are the last and the best model and the state, and, while the state
    is written anew, a second one.
    """
    model = keras.Sequential([keras.Input((99,)), keras.layers.Dense(100)])
    model.compile(name, "mse")
    weights = 4 * 100 * 100  # With biases, in float32.
    slots = {"sgd": 0, "adam": 2 * weights}[name]
    usage = types.SimpleNamespace()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    needed = weights + weights + 2 * (weights + slots)
    usage.free = needed - 1
    with pytest.raises(RunError, match="run needs 0 MiB for its models and"):
        check_space(tmp_path / "a" / "run", model)
    usage.free = needed + 2 * 16  # The optimizer's counters.
    check_space(tmp_path / "a" / "run", model)
