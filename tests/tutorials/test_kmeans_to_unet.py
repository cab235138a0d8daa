"""The tutorial on membranes, in a short form."""

import pathlib
import re
import runpy
import sys

import numpy as np
import pytest
from PIL import Image

SCRIPT = (
    pathlib.Path(__file__).parents[2] / "tutorials/01_from_kmeans_to_unet.py"
)

pytestmark = pytest.mark.once


def test_short(tmp_path, monkeypatch, capsys):
    photo = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), "uint8")
    Image.fromarray(pixels).save(photo)
    options = (
        f"--photo {photo} --sections 2 --size 64 --epochs 1 1 --filters 2 --out"
    )
    arguments = [str(SCRIPT), *options.split(), str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(SCRIPT), run_name="__main__")
    said = capsys.readouterr().out
    for name in ("k-means", "sliding window", "U-Net"):
        assert re.search(rf"^{name}: 0\.\d+ of the pixels", said, re.M)
    # The dense network is the loop over windows.
    assert float(re.search(r"differ by (\S+)", said)[1]) < 1e-5
    with Image.open(tmp_path / "membranes.png") as picture:
        assert picture.width >= 5 * 64
    with Image.open(tmp_path / "photograph.png") as picture:
        assert picture.width >= 2 * 30
