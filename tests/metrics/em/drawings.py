"""Random maps for the metrics of electron microscopy."""

import numpy as np

__all__ = ["labels", "maps", "spots"]


def spots(seed, shape=(13, 17), share=0.5):
    """A binary map of single pixels and squares, with many small cells."""
    rng = np.random.default_rng(seed)
    fine = rng.random(shape) < share
    coarse = rng.random((shape[0] // 3 + 1, shape[1] // 3 + 1)) < share
    coarse = np.kron(coarse, np.ones((3, 3), bool))[: shape[0], : shape[1]]
    return np.where(rng.random(shape) < 0.3, fine, coarse)


def labels(seed, highest=4, lowest=0, shape=(9, 11)):
    """A random label map."""
    rng = np.random.default_rng(seed)
    return rng.integers(lowest, highest + 1, shape)


def maps(seed, shape=(13, 17)):
    """A random mask, and a probability that has something to do with it."""
    rng = np.random.default_rng(seed)
    truth = spots(seed, shape, 0.6)
    near = np.where(rng.random(shape) < 0.2, rng.random(shape), truth)
    return truth, np.clip(near * 0.8 + rng.random(shape) * 0.2, 0, 1)
