"""Compares what the tests of the three backends saved. Run by `make test`.

Each backend's process saves arrays of the same networks, weights and images
(fixture `parity`); here they must agree to 1e-4 of their largest value.
"""

import itertools
import os
import pathlib

import numpy as np

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
            assert gap < 1e-4, f"{name}: {one} and {other} differ by {gap:.1e}"
