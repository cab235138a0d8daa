"""The tutorial on transfer learning, in a short form."""

import pathlib
import runpy
import sys

import keras
import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "tutorials/02_transfer_learning.py"

pytestmark = pytest.mark.once


def test_short(tmp_path, monkeypatch, capsys):
    """Drawn data, random weights in a file of ImageNet's layout, one epoch."""
    classifier = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(None, None, 3)
    )
    weights = tmp_path / "classifier.weights.h5"
    classifier.save_weights(weights)
    monkeypatch.setattr(
        sys,
        "argv",
        [
            str(SCRIPT),
            "--weights",
            str(weights),
            "--epochs",
            "1",
            "1",
            "--crop",
            "32",
            "--images",
            "10",
            "--out",
            str(tmp_path / "out"),
        ],
    )
    runpy.run_path(str(SCRIPT), run_name="__main__")
    said = capsys.readouterr().out
    assert "can be trained on" in said
    assert "transferred: mean IoU 0." in said
    assert "from scratch: mean IoU 0." in said
    assert len(list((tmp_path / "out/overlays").glob("*.png"))) == 2
