"""The ladder of the lecture's systems, as its README tells it."""

import csv
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.once, pytest.mark.slow]

SCRIPT = pathlib.Path(__file__).parents[1] / "applications/lecture/ladder.py"
STEPS = ("mobilenet_v2-v2_aspp_s", "mobilenet_v2-v2_aspp_l")


def drawn(path, rng):
    """Frames of two classes, as CamVid's folder is laid out."""
    for split, count in (("train", 4), ("val", 9)):
        for name in ("images", "labels"):
            (path / split / name).mkdir(parents=True)
        for number in range(count):
            mask = np.zeros((96, 128), "uint8")
            mask[:, rng.integers(30, 90) :] = 1
            image = np.stack([90 + 80 * mask] * 3, -1) + rng.integers(0, 20)
            images, labels = (path / split / x for x in ("images", "labels"))
            Image.fromarray(image.astype("uint8")).save(
                images / f"{number}.png"
            )
            Image.fromarray(mask).save(labels / f"{number}.png")
    (path / "classes.csv").write_text(
        "id,name,r,g,b\n0,wall,0,0,0\n1,door,255,0,0\n"
    )


def test_steps_of_two_seeds(tmp_path):
    drawn(tmp_path / "data", np.random.default_rng(0))
    weights = tmp_path / "mobilenet.weights.h5"
    keras.applications.MobileNetV2(
        weights=None, include_top=False
    ).save_weights(weights)
    out = tmp_path / "out"
    for only in (STEPS[:1], (STEPS[1], f"{STEPS[1]}+crf")):
        subprocess.run(
            [
                *(sys.executable, SCRIPT, tmp_path / "data", weights),
                *("--out", out, "--minutes", "0.01", "--seeds", "0", "1"),
                *("--only", *only),
            ],
            check=True,
            env={**os.environ, "KERAS_BACKEND": "torch"},
        )
    with open(out / "ladder.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["seed"]) for row in rows] == [
        (step, seed)
        for step in (*STEPS, f"{STEPS[1]}+crf")
        for seed in ("0", "1")
    ]
    for row in rows:
        assert 0 <= float(row["mean_iou"]) <= 1 and row["door"]
        assert ("crf" in row["step"]) == (row["updates"] == "")
    # Two scores in each of four branches of 1280 channels, with biases, on
    # an encoder whose weights are 2,257,984.
    assert rows[0]["parameters"] == str(2_257_984 + 4 * (9 * 1280 * 2 + 2))
    text = (out / "ladder.md").read_text()
    assert text.count("±") == 3 and "v2, ASPP-L + CRF" in text
    assert (out / "ladder.png").stat().st_size > 10_000
