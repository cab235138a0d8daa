"""The comparison in minutes: its score, its table, and that the peer runs."""

import argparse
import importlib.util
import sys

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import from_folder
from tests.test_readme import ROOT

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import time_to_quality
    finally:
        sys.path.pop(0)
    return time_to_quality


@pytest.fixture
def place(benchmark, tmp_path):
    benchmark.drawn(tmp_path, 2)
    return tmp_path


def test_score(benchmark, place):
    """The truth scores 1; half of the object taken for background less."""
    folder = from_folder(place / "test")
    right = wrong = below = 0
    for pair, (_, mask) in zip(folder.pairs, folder, strict=True):
        found = np.where(mask == 255, 0, mask).astype("uint8")
        Image.fromarray(found).save(place / f"{pair.stem}.png")
    assert benchmark.score(place, place / "test") == 1
    for pair, (_, mask) in zip(folder.pairs, folder, strict=True):
        found = np.where(mask == 255, 0, mask).astype("uint8")
        found[:, ::2] = 0
        Image.fromarray(found).save(place / f"{pair.stem}.png")
        right += ((found == 1) & (mask == 1)).sum()
        wrong += ((found == 0) & (mask == 1)).sum()
        below += (mask == 0).sum()
    assert wrong > 0
    expected = (right / (right + wrong) + below / (below + wrong)) / 2
    assert benchmark.score(place, place / "test") == round(expected, 4)


def test_table(benchmark):
    row = {"set": "horses", "network": "unet", "minutes": "5"}
    rows = [
        {**row, "library": name, "mean_iou": value, "seed": seed}
        for name, seed, value in (
            ("keras-seg", "0", "0.80"),
            ("keras-seg", "1", "0.90"),
            ("smp", "0", "0.75"),
            ("smp-batch-8", "0", "0.70"),
        )
    ]
    line = benchmark.table(rows).splitlines()[-1]
    assert line == "| horses | unet | 5 | 0.850 | 0.750 | 0.700 | +0.100 |"


def test_cells_are_chosen(benchmark):
    cell = {
        "set": "horses",
        "network": "unet",
        "library": "smp",
        "minutes": 5,
    }
    assert benchmark.chosen(cell, [])
    assert benchmark.chosen(cell, ["unet", "smp", "keras-seg", "5"])
    assert not benchmark.chosen(cell, ["unet", "keras-seg"])


@pytest.mark.slow
def test_the_peer_runs(benchmark, place):
    """On its examples' recipe for two classes, with trained weights."""
    for name in ("segmentation_models_pytorch", "timm", "torchvision"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: see benchmarks/README.md")
    cell = {
        "set": "horses",
        "network": "unet",
        "library": "smp-batch-8",
        "minutes": 5,
        "seed": 0,
    }
    arguments = argparse.Namespace(smoke=True)
    row = benchmark.measure(cell, place, arguments)
    assert row["images"] % 8 == 0 and row["images"] > 0
    assert 0 <= row["mean_iou"] < 1 and np.isfinite(row["mean_iou"])
    assert set(row) == set(benchmark.COLUMNS)
