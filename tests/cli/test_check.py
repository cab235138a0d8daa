"""`keras-seg check`: exit codes, output, and no backend."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from keras_seg.cli import app
from keras_seg.data import synthetic
from keras_seg.data.text import limit_annotations
from keras_seg.runs import DataSource

pytestmark = pytest.mark.once


@pytest.fixture
def data(tmp_path):
    images, masks = synthetic.membranes(12, size=32)
    synthetic.write_folder(
        tmp_path / "data", images, masks, synthetic.MEMBRANE_CLASSES, "train"
    )
    return tmp_path / "data"


def run(*arguments):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_good_data(data, tmp_path):
    result = run(data, "--out", tmp_path / "report")
    assert result.exit_code == 0, result.output
    assert "can be trained on" in result.output
    assert "Next: keras-seg train" in result.output
    assert (tmp_path / "report" / "sheet.png").is_file()


def test_bad_data(data):
    next((data / "train/labels").iterdir()).unlink()
    result = run(data)
    assert result.exit_code == 3
    assert "KS-D004  error: " in result.output and "Fix: " in result.output
    result = run(data, "--json")
    assert result.exit_code == 3
    assert json.loads(result.output)["ok"] is False


def test_several_labels(tmp_path):
    data = tmp_path / "data"
    images, masks = synthetic.cells(12, size=32)
    synthetic.write_folder(data, images, masks, synthetic.CELL_CLASSES)
    result = run(data, "--multi-label")
    assert result.exit_code == 0, result.output
    assert "Classes may overlap (a folder for each class" in result.output
    assert f"keras-seg train {data} --multi-label --out" in result.output
    (data / "train/labels/rod/0000.png").unlink()
    result = run(data, "--multi-label")
    assert result.exit_code == 3
    assert "means with --missing-classes absent or" in result.output
    result = run(data, "--multi-label", "--missing-classes", "absent")
    assert result.exit_code == 0, result.output
    assert "Each may be a class: read it with --multi-label" in run(data).output
    for wrong in ((), ("--multi-label", "--missing-classes", "none")):
        result = run(data, *wrong)
        assert result.exit_code and "Traceback" not in result.output
    source = DataSource(str(data), multi_label=True, missing_classes="absent")
    train, _ = source.read()
    assert train.multi_label and not train[0][1][..., 2].any()


def test_images_without_a_mask(data):
    next((data / "train/labels").iterdir()).unlink()
    result = run(data, "--skip-unlabeled")
    assert result.exit_code == 0, result.output
    assert "KS-D004  warning: " in result.output
    assert "has no mask and is left out" in result.output
    assert f"Next: keras-seg train {data} --skip-unlabeled" in result.output
    assert DataSource(str(data), skip_unlabeled=True).read()[0].skipped


def test_large_annotations(data):
    limit = (data / "classes.csv").stat().st_size - 1
    try:
        result = run(data, "--max-annotation-bytes", limit)
    finally:
        limit_annotations(2**31)
    assert result.exit_code == 3
    assert f"at most {limit} are read" in result.output


def test_no_data(tmp_path):
    result = run(tmp_path / "nothing")
    assert result.exit_code == 1


def test_without_keras_or_a_backend(data):
    """A new interpreter in which they cannot be imported."""
    code = (
        "import sys\n"
        "for name in ('keras', 'tensorflow', 'jax', 'torch'):\n"
        "    sys.modules[name] = None\n"
        "from keras_seg.cli import main\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "check", str(data)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert result.returncode == 0, result.stderr
    assert "can be trained on" in result.stdout


def test_black_and_white_masks(data):
    """The fix that is named is the one that works."""
    for file in (data / "train/labels").iterdir():
        ids = np.array(Image.open(file))
        Image.fromarray((255 * (ids > 0)).astype("uint8")).save(file)
    result = run(data)
    assert result.exit_code == 3
    assert "--mask-values 0:0,255:1" in result.output
    result = run(data, "--mask-values", "0:0,255:1")
    assert result.exit_code == 0, result.output
    result = run(data, "--mask-values", "0-1")
    assert result.exit_code == 1 and "Received: '0-1'" in result.output


def test_max_pixels(data, monkeypatch):
    """The images have 32 · 32 pixels; the limit is of this process."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    with warnings.catch_warnings():
        refused = run(data, "--max-pixels", 32 * 32 - 1)
        assert refused.exit_code == 3 and "KS-D009" in refused.output
        assert "at most 1023 are read" in " ".join(refused.output.split())
    with warnings.catch_warnings(record=True) as caught:
        assert run(data, "--max-pixels", 32 * 32).exit_code == 0
    assert not caught


def test_what_it_says_to_do_next_reads_the_same(invoke, tmp_path):
    images, masks = synthetic.membranes(3, size=48)
    for name, arrays in ("images", images), ("masks", 255 * masks):
        (tmp_path / name).mkdir()
        for i, array in enumerate(arrays):
            Image.fromarray(array.astype("uint8")).save(
                tmp_path / name / f"{i}.png"
            )
    values = "0:0,255:1"
    found = invoke("check", tmp_path, "--mask-values", values)
    assert found.exit_code == 0
    assert f"train {tmp_path} --mask-values {values} --out RUN" in found.stdout
    assert f"write classes.csv into {tmp_path}" in found.stdout
    (tmp_path / "classes.csv").write_text("id,name\n0,cell\n1,membrane\n")
    named = invoke("check", tmp_path, "--mask-values", values).stdout
    assert "0 cell" in named and "write classes.csv" not in named
