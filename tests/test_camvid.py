"""The worked application on CamVid, as its README tells it."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.once, pytest.mark.slow]

SCRIPT = pathlib.Path(__file__).parents[1] / "applications/camvid/run.py"
WEIGHTS = "weights/mobilenet_v2_1.0_224_imagenet_notop.h5"


def run(data_dir, out, backend):
    subprocess.run(
        [
            sys.executable,
            SCRIPT,
            data_dir / "camvid",
            data_dir / WEIGHTS,
            "--out",
            out,
        ],
        check=True,
        env={**os.environ, "KERAS_BACKEND": backend},
    )


def test_results(data_dir, tmp_path):
    run(data_dir, tmp_path, "tensorflow")
    table = json.loads((tmp_path / "results.json").read_text())
    tuned, linear, random = (row["mean_iou"] for row in table.values())
    # The bar set for 15 minutes on two cores; a linear classifier on frozen
    # features of 100 frames is known to reach 0.51, on random ones 0.19.
    assert tuned >= 0.55
    assert random < 0.3 < linear < tuned
    assert len(list((tmp_path / "overlays").glob("*.png"))) == 5
