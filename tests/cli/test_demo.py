import time

import numpy as np
import pytest
from PIL import Image

from keras_seg.cli import demo
from keras_seg.data import splits


def check(result, out):
    assert result.exit_code == 0, result.output
    assert splits(out / "data") == ("train", "val")
    assert (out / "run" / "best.keras").is_file()
    pictures = sorted((out / "panels").iterdir())
    assert len(pictures) == demo.SHOWN
    with Image.open(pictures[0]) as picture:
        assert picture.width > 3 * demo.SIZE
        assert np.asarray(picture).std() > 20
    assert f"Wrote {out / 'run'} and, to look at, {out / 'panels'}" in (
        result.stdout
    )
    assert f"keras-seg predict {out / 'run'} {out / 'data'}" in result.stdout
    return float(
        next(line for line in result.stdout.splitlines() if "mean " in line)
        .split("│")[2]
        .strip()
    )


@pytest.mark.once
def test_short(invoke, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "TRAIN", 4)
    monkeypatch.setattr(demo, "HELD_OUT", 2)
    monkeypatch.setattr(demo, "SHOWN", 1)
    monkeypatch.setattr(demo, "SIZE", 64)
    monkeypatch.setattr(demo, "OPTIONS", {"filters": 4, "depth": 2})
    out = tmp_path / "demo"
    check(invoke("demo", "--out", out, "--epochs", "1"), out)
    result = invoke("demo", "--out", out)
    assert result.exit_code == 1
    assert result.stderr == (
        f"{out} is not empty; a run never overwrites what is there. "
        "Fix: choose another folder, or remove this one.\n"
    )


@pytest.mark.slow
def test_whole(invoke, tmp_path):
    begin = time.monotonic()
    mean_iou = check(invoke("demo", "--out", tmp_path / "d"), tmp_path / "d")
    assert mean_iou > 0.85
    print(f"{mean_iou:.3f} in {time.monotonic() - begin:.0f} s")
