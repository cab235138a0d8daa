import gc

import keras
import numpy as np
import pytest

from keras_seg.applications import UNet
from keras_seg.inference import predict
from keras_seg.inference.scores import predict_scores
from tests.networks import echo
from tests.networks import randomize

if keras.config.backend() != "jax":
    pytest.skip("they are of XLA", allow_module_level=True)

import jax

from keras_seg.inference import jax_programs


def programs():
    """Those of XLA that are alive."""
    gc.collect()
    return jax.devices()[0].client.live_executables()


@pytest.mark.parametrize("of_keras", [False, True])
def test_few_sizes_are_kept_compiled(of_keras, monkeypatch):
    """XLA says which of its programs are alive; ids are right all the time."""
    monkeypatch.setattr(jax_programs, "MOST_SIZES", 2)
    if of_keras:
        devices = keras.distribution.list_devices()
        spread = keras.distribution.DataParallel(devices=devices)
        monkeypatch.setattr(keras.distribution, "distribution", lambda: spread)
    model, counts = echo(), []
    for size in range(1, 8):
        ids = np.random.default_rng(size).integers(0, 3, (size, 7))
        image = (np.eye(3, dtype="uint8") * 200)[ids]
        np.testing.assert_array_equal(predict(model, image), ids)
        counts.append(len(programs()))
    assert max(counts[3:]) <= max(counts[:3]) + 1, counts


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_predict_of_the_model_stays_that_of_keras(steps_per_execution):
    """With all images, in batches, the last of which is smaller."""
    model = randomize(UNet(classes=3, filters=4, depth=2))
    oracle = keras.Model(model.input, model.output)
    model.compile(steps_per_execution=steps_per_execution)
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (7, 33, 20, 3)).astype("float32")
    expected = oracle.predict(x, batch_size=2, verbose=0)
    near = {"rtol": 0, "atol": 1e-5 * np.abs(expected).max()}
    for _ in range(2):
        np.testing.assert_allclose(predict_scores(model, x), expected, **near)
        found = model.predict(x, batch_size=2, verbose=0)
        np.testing.assert_allclose(found, expected, **near)
        randomize(model, 1)
        expected = oracle.predict(x, batch_size=2, verbose=0)


def test_an_option_that_xla_does_not_know_is_left_out(monkeypatch):
    """It knows ours since JAX 0.8.3."""
    known = jax_programs.EIGEN if jax.__version_info__ >= (0, 8, 3) else {}
    assert jax_programs._options() == known
    monkeypatch.setattr(jax_programs, "EIGEN", {"xla_cpu_by_magic": ""})
    jax_programs._options.cache_clear()
    ids = np.random.default_rng(0).integers(0, 3, (5, 9))
    image = (np.eye(3, dtype="uint8") * 200)[ids]
    np.testing.assert_array_equal(predict(echo(), image), ids)
    assert jax_programs._options() == {}
    jax_programs._options.cache_clear()
