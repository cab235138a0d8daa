"""Compares what the tests of the three backends saved. Run by `make test`.

Each backend's process saves arrays of the same networks, weights and images
(fixture `parity`), which must agree to 1e-4 of their largest value, and the
networks, which must load and compute the same on the backend of this process.
"""

import itertools
import os
import pathlib

import keras
import numpy as np
import pytest

import keras_seg.applications  # noqa: F401  (registers the layers)

FOLDER = pathlib.Path(os.environ.get("KERAS_SEG_PARITY", "nowhere"))
BACKENDS = ("tensorflow", "jax", "torch")


def test_backends_agree():
    saved = {
        backend: {
            path.name: np.load(path)
            for path in (FOLDER / backend).glob("*.npy")
        }
        for backend in BACKENDS
    }
    names = set(saved["torch"])
    assert len(names) >= 10, f"{FOLDER} holds {len(names)} arrays"
    for backend in BACKENDS:
        assert set(saved[backend]) == names
    for name in sorted(names):
        for one, other in itertools.combinations(BACKENDS, 2):
            a, b = saved[one][name], saved[other][name]
            assert a.shape == b.shape and np.abs(a).max() > 0
            gap = np.abs(a - b).max() / np.abs(a).max()
            # The marginals of the CRF have a bound of their own.
            most = 5e-6 if name.startswith("crf_marginals") else 1e-4
            assert gap < most, f"{name}: {one} and {other} differ by {gap:.1e}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_models_load_on_another_backend(backend):
    paths = sorted((FOLDER / backend).glob("*.keras"))
    assert len(paths) >= 10, f"{FOLDER / backend} holds {len(paths)} models"
    for path in paths:
        model = keras.saving.load_model(path, safe_mode=True)
        image = np.load(path.with_name(f"{path.stem}_image.npy"))
        height, width = image.shape[1:3]
        name = f"{path.stem}_{height}_{width}.npy"
        expected = np.load(path.with_name(name))
        logits = model.predict_on_batch(image)
        scale = np.abs(expected).max()
        gap = np.abs(logits - expected).max() / scale
        assert gap < 1e-4, f"{path.name} of {backend}: {gap:.1e}"
        # The weights alone, over others.
        for weight in model.weights:
            weight.assign(keras.ops.zeros_like(weight))
        model.load_weights(path.with_suffix(".weights.h5"))
        again = model.predict_on_batch(image)
        assert np.abs(again - expected).max() / scale < 1e-4
