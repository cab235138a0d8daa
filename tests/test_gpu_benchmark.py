"""benchmarks/gpu.py runs, small, on a CPU."""

import csv
import pathlib
import subprocess
import sys

import pytest

from tests import torchvision_oracle

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.slow
def test_smoke(tmp_path):
    torchvision_oracle.models()  # Skips without it.
    command = [sys.executable, ROOT / "benchmarks" / "gpu.py", "--smoke"]
    command += ["--no-compile", "--out", tmp_path / "gpu.csv"]
    command += ["--networks", "deeplabv3_resnet50", "unet"]
    subprocess.run(command, check=True, timeout=600)
    with open(tmp_path / "gpu.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    # Two networks in two precisions, trained and run; the CRF; the input.
    assert len(rows) >= 2 * 2 * 2 + 1 + 1
    assert {row["part"] for row in rows} == {
        *("training", "inference", "crf", "input")
    }
    assert all(float(row["ms"]) > 0 for row in rows)
    assert all(row["ratio"] for row in rows if "deeplab" in row["network"])
