import random

import keras
import numpy as np
import pytest

from keras_seg.runs import RunError
from keras_seg.training.checkpoint import generator_states
from keras_seg.training.checkpoint import read_checkpoint
from keras_seg.training.checkpoint import restore_variables
from keras_seg.training.checkpoint import set_generator_states
from keras_seg.training.checkpoint import write_checkpoint

FACTS = {"epoch": 3, "loss": 0.1 + 0.2, "nan": float("nan"), "name": "é"}


def network(filters=2, dtype=None):
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(filters, 1, dtype=dtype)(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5, seed=1)(x)
    model = keras.Model(image, x)
    schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 10)
    model.compile(keras.optimizers.Adam(schedule), "mse")
    return model


def values(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(v.value) for v in variables]


def test_all_that_a_step_changes(tmp_path):
    """Weights, batch statistics, the dropout's generator, Adam's slots."""
    model, other = network(), network()
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 3))
    model.train_on_batch(images, np.zeros((2, 4, 4, 2)))
    write_checkpoint(tmp_path / "a.npz", model, FACTS)
    facts, arrays = read_checkpoint(tmp_path / "a.npz")
    assert facts.pop("nan") != facts
    assert facts == {k: v for k, v in FACTS.items() if k != "nan"}
    before = values(network())
    restore_variables(other, arrays, tmp_path / "a.npz")
    changed = 0
    for restored, expected, old in zip(
        values(other), values(model), before, strict=False
    ):
        np.testing.assert_array_equal(restored, expected)
        changed += not np.array_equal(old, expected)
    assert changed >= 6
    assert int(other.optimizer.iterations) == 1
    assert float(other.optimizer.learning_rate) == pytest.approx(0.90001)
    assert any("seed" in v.path for v in other.variables)


def test_bfloat16(tmp_path):
    """NumPy has no such type."""
    model = network(dtype=keras.DTypePolicy("bfloat16"))
    write_checkpoint(tmp_path / "a.npz", model, {})
    other = network(dtype=keras.DTypePolicy("bfloat16"))
    _, arrays = read_checkpoint(tmp_path / "a.npz")
    restore_variables(other, arrays, "a.npz")
    for a, b in zip(model.weights, other.weights, strict=True):
        a, b = (keras.ops.cast(v.value, "float32") for v in (a, b))
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (a, b)))


def test_another_network(tmp_path):
    write_checkpoint(tmp_path / "a.npz", network(), {})
    _, arrays = read_checkpoint(tmp_path / "a.npz")
    other = network(filters=3)
    with pytest.raises(RunError) as caught:
        restore_variables(other, arrays, "a.npz")
    assert str(caught.value).startswith(
        "a.npz is of another model, optimizer or loss: it has shape "
        "(1, 1, 3, 2) for model: "
    )
    with pytest.raises(RunError, match=r"it has \d+ variables, this one \d+"):
        restore_variables(network(), arrays | {"model_99999": 0}, "a.npz")


@pytest.mark.parametrize("spoil", [lambda b: b[:-40], lambda b: b"", len])
def test_damaged(tmp_path, spoil):
    path = tmp_path / "a.npz"
    write_checkpoint(path, network(), {})
    spoiled = spoil(path.read_bytes())
    path.write_bytes(spoiled if isinstance(spoiled, bytes) else b"nonsense")
    with pytest.raises(RunError, match="a.npz cannot be read: "):
        read_checkpoint(path)


def test_one_wrong_bit(tmp_path):
    path = tmp_path / "a.npz"
    write_checkpoint(path, network(), {})
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match="a.npz cannot be read: "):
        read_checkpoint(path)


def draws():
    images = np.ones((1, 64), "float32")
    found = [random.random(), np.random.normal()]
    if keras.config.backend() == "torch":
        # Without `seed`, it draws from PyTorch's own generator.
        dropped = keras.layers.Dropout(0.5)(images, training=True)
        found += keras.ops.convert_to_numpy(dropped)[0].tolist()
    return found


def test_round_trip():
    states = generator_states()
    first = draws()
    assert draws() != first
    set_generator_states(states)
    assert draws() == first
