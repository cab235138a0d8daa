"""Several devices train as one does: same losses, metrics and weights."""

import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_seg import distributed
from keras_seg.distributed.whole_batch import draw_apart
from keras_seg.training.engine import Engine
from keras_seg.training.setup import dtype_policy
from tests.conftest import ROOT
from tests.distributed.trainer import OPTIONS
from tests.distributed.trainer import train_steps

BACKEND = keras.config.backend()


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.distributed.trainer", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def train_elsewhere(out, devices, processes):
    """What the first of some processes, each with some devices, found."""
    others: list = [()]
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        others = [(f"{i}/{processes}", address) for i in range(processes)]
    begun = [start(str(out), str(devices), *other) for other in others]
    errors = [process.communicate(timeout=600)[1] for process in begun]
    assert not any(process.returncode for process in begun), errors
    return json.loads(out.read_text())


# TensorFlow has no several processes, PyTorch one device in each.
PARTS = {
    "jax": [(4, 1), (1, 2)],
    "tensorflow": [(4, 1)],
    "torch": [(1, 2)],
}


@pytest.fixture(scope="module")
def alone():
    return train_steps(Engine(), **OPTIONS), train_steps(Engine(), mixed=True)


@pytest.mark.parametrize(("devices", "processes"), PARTS[BACKEND])
def test_as_one_device(tmp_path, alone, devices, processes):
    """Void is spread unevenly, and the last batch is not a multiple."""
    found = train_elsewhere(tmp_path / "found.json", devices, processes)
    assert_same(found, alone[0])
    # Each device rounds its own part of a gradient to 8 bits.
    assert_losses(found["mixed"], alone[1], atol=5e-3)
    # Every number of devices kept some value, as if each had its own mask.
    kept = np.rint(found["kept"])
    np.testing.assert_allclose(found["kept"], kept, atol=1e-5)
    assert set(kept) == set(range(devices * processes + 1))
    if "split" in found:
        assert_same(found["split"], alone[0])
        whole, split = found["vit"]
        np.testing.assert_allclose(split["loss"], whole["loss"], atol=1e-4)
        # Two devices hold its weights, small ones twice.
        assert 0.5 * whole["bytes"] < split["bytes"] < 0.55 * whole["bytes"]


def assert_losses(found, alone, atol=1e-4):
    steps = list(range(10))
    if BACKEND == "tensorflow":
        # The last batch is smaller than the number of devices, and counts
        # twice in the mean that `fit` reports.
        steps = [step for step in steps if step % 5 != 4]
    losses, expected = found["losses"], alone["losses"]
    np.testing.assert_allclose(
        np.take(losses, steps), np.take(expected, steps), atol=atol
    )


def assert_same(found, alone):
    assert_losses(found, alone)
    assert found["counts"] == alone["counts"]
    for array, other in zip(found["weights"], alone["weights"], strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-4, atol=1e-3)


def test_draws_of_the_first_device_and_the_state_are_those_of_one():
    drawn, states = [], []
    for place in (None, 0, 1):
        layer = keras.layers.Dropout(0.5, seed=3)
        if place is not None:
            draw_apart(keras.Sequential([layer]), lambda place=place: place)
        y = layer(np.ones((8, 8), "float32"), training=True)
        drawn.append(keras.ops.convert_to_numpy(y))
        states.append(keras.ops.convert_to_numpy(layer.seed_generator.state))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    np.testing.assert_array_equal(states, [[3, 1]] * 3)


@pytest.mark.once
def test_process_without_coordinator_is_refused():
    with pytest.raises(ValueError, match="go together"):
        distributed.distribute(process=(0, 2))


def test_what_the_backend_cannot_is_refused():
    text = {
        "jax": "`devices` must be at most 1",
        "tensorflow": "`devices` must be at most 1",
        "torch": "a process for each",
    }[BACKEND]
    keras.ops.zeros(1)  # The devices are counted.
    with pytest.raises(ValueError, match=text):
        distributed.distribute(2)


@pytest.mark.skipif(BACKEND != "torch", reason="of PyTorch alone")
def test_one_of_several_gpus_is_one_device(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert type(distributed.distribute(1)) is Engine
    with pytest.raises(ValueError, match="a process for each"):
        distributed.distribute("all")


@pytest.mark.skipif(BACKEND != "jax", reason="of JAX alone")
def test_devices_of_each_machine(monkeypatch):
    """JAX is told how many; more or others than it then has are refused."""
    import jax

    from keras_seg.distributed import jax_engine

    calls = []
    monkeypatch.setattr(jax_engine, "JAXEngine", lambda *args: args)
    monkeypatch.setattr(jax.config, "update", lambda *args: None)
    monkeypatch.setattr(
        jax.distributed, "initialize", lambda *args, **_: calls.append(args)
    )
    options = {"process": (1, 2), "coordinator": "node0:29500"}
    for devices in (1, "all"):
        distributed.distribute(devices, **options)
    assert [args[3] for args in calls] == [[0], None]
    with pytest.raises(ValueError, match="the 1 that JAX has.*devices=2"):
        distributed.distribute(2, **options)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="of TensorFlow alone")
def test_scaled_losses_are_refused():
    from keras_seg.distributed.tensorflow_engine import TensorFlowEngine

    engine = TensorFlowEngine(["CPU:0"])
    with engine.scope(), dtype_policy("mixed_float16"):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd")
        with pytest.raises(ValueError, match="Fix: mixed_bfloat16, one device"):
            engine.prepare(model)
