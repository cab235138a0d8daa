"""The worked application on membranes, on drawn sections, for seconds."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.once, pytest.mark.slow]

SCRIPT = pathlib.Path(__file__).parents[1] / "applications/em_membranes/run.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )


def test_drawn_sections(tmp_path):
    done = run("--out", tmp_path, "--minutes", 0.1, "--filters", 2)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "results.json").read_text())
    assert list(rows) == ["k-means", "sliding window", "U-Net"]
    for row in rows.values():
        assert 0 < row["V_Rand"] <= 1 and 0 < row["pixel accuracy"] <= 1
    # Three gray values; N4, see `applications.N4`.
    parameters = [row["parameters"] for row in rows.values()]
    assert parameters[:2] == [3, 219_290]
    assert (tmp_path / "table.md").read_text().count("\n") == 5
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.width > 5 * 256


def test_on_weights_of_photographs(tmp_path, data_dir):
    weights = data_dir / "weights/mobilenet_v2_1.0_224_imagenet_notop.h5"
    only = ("--only", "U-Net on MobileNetV2", "--seed", 1)
    done = run(
        *("--out", tmp_path, "--weights", weights, "--minutes", 0.1), *only
    )
    assert done.returncode == 0, done.stderr
    [(name, row)] = json.loads((tmp_path / "results.json").read_text()).items()
    # `applications.UNet("mobilenet_v2")`: the encoder and the decoder.
    assert (name, row["parameters"]) == (only[1], 6_974_514)
    assert 0 < row["V_Rand"] <= 1


def test_masks_the_wrong_way_round(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for stem in ("0", "1"):
        mask = np.full((40, 40), 255, "uint8")
        mask[:, :5] = 0
        Image.fromarray(mask).save(tmp_path / f"labels/{stem}.png")
        Image.fromarray(mask).save(tmp_path / f"images/{stem}.png")
    (tmp_path / "train.txt").write_text("0\n")
    (tmp_path / "val.txt").write_text("1\n")
    done = run("--data", tmp_path, "--membrane", 255)
    assert done.returncode == 1
    assert "Fix: --membrane 0" in done.stderr
