import dataclasses
import pathlib

import keras
import pytest

from keras_seg.data import synthetic
from keras_seg.training import Settings
from keras_seg.training import dry_run
from keras_seg.training.dry_run import DryRun
from keras_seg.training.memory import peak_memory
from keras_seg.training.memory import variable_bytes


def test_what_is_known_exactly():
    images, masks = synthetic.membranes(3, size=32)
    settings = Settings(
        model="unet",
        backbone=None,
        weights=None,
        options={"filters": 4, "depth": 2},
        epochs=7,
        batch_size=2,
        crop=32,
    )
    found = dry_run(
        settings,
        list(zip(images, masks, strict=True)),
        classes=synthetic.MEMBRANE_CLASSES,
    )
    assert found.steps == 2 and found.epochs == 7
    assert found.batch_shape == (2, 32, 32, 3)
    assert found.parameters == found.trainable == 7474
    # Weights, gradients and two slots; the rest is a few counters.
    assert 0 <= found.variable_bytes - 4 * 4 * 7474 < 100
    assert found.validation_seconds == 0.0
    # The models, the state and the scores are written, too.
    assert min(found.start_seconds, found.seconds_per_step) > 0
    assert min(found.save_seconds, found.end_seconds) > 0
    assert found.peak_bytes > found.variable_bytes
    assert 0.3 < found.loss < 3.0  # log 2 = 0.69, were all logits 0


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
