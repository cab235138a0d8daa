"""`keras-seg convert`: what it says, and its errors."""

import pytest
from typer.testing import CliRunner

from keras_seg.cli import app
from keras_seg.data import synthetic

pytestmark = pytest.mark.once


def run(*arguments):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


@pytest.fixture
def data(tmp_path):
    images, masks = synthetic.membranes(2, size=32)
    masks[0][:4] = 255
    for split in ("train", "val"):
        synthetic.write_folder(
            tmp_path / "a", images, masks, synthetic.MEMBRANE_CLASSES, split
        )
    return tmp_path / "a"


def test_convert(data, tmp_path):
    result = run(data, "--to", "yolo", "--out", tmp_path / "b")
    assert result.exit_code == 0, result.output
    # 4 rows of 32 pixels in both splits.
    assert "Note: YOLO has no void: 256 void pixels" in result.output
    assert "2 train, 2 val images as yolo" in result.output
    assert f"Next: keras-seg check {tmp_path / 'b'}" in result.output
    assert (tmp_path / "b/data.yaml").is_file()


def test_mistakes(data, tmp_path):
    result = run(data, "--to", "voc", "--out", tmp_path / "b")
    assert result.exit_code == 1
    assert "KS-D012" in result.output and "Fix: " in result.output
    result = run(data, "--to", "png", "--out", tmp_path / "b")
    assert result.exit_code == 1
    assert "--to must be one of 'masks'" in result.output
    result = run(data, "--to", "coco", "--out", data)
    assert result.exit_code == 1
    assert "--out must be a new folder" in result.output
    assert not (tmp_path / "b").exists()
