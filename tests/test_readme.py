"""The README: its blocks run, its picture is what its command makes."""

import os
import pathlib
import re
import shlex
import shutil
import tomllib

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from keras_seg.cli import app
from keras_seg.data import synthetic
from keras_seg.visualization import panel
from keras_seg.visualization import save_image

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PICTURE = ROOT / "docs" / "_static" / "chelsea.jpg"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    return [
        shlex.split(line, comments=True)
        for block in blocks("bash")
        for line in block.splitlines()
    ]


def run(words):
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, (words, result.output)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A cache of Keras with the small network of the catalogue in it."""
    data = os.environ.get("KERAS_SEG_DATA")
    name = "deeplabv3_257_mv_gpu.tflite"
    if not data or not (pathlib.Path(data) / "weights" / name).is_file():
        pytest.skip(f"KERAS_SEG_DATA has no weights/{name}")
    pytest.importorskip("ai_edge_litert")
    (tmp_path / "home" / "models").mkdir(parents=True)
    shutil.copy(
        pathlib.Path(data) / "weights" / name, tmp_path / "home" / "models"
    )
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))


def test_it_is_one_screen():
    assert len(README.splitlines()) < 75
    for block in [*blocks("bash"), *blocks("python")]:
        assert sum(map(bool, block.splitlines())) <= 4


def test_what_it_installs_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [line] = [words for words in commands() if words[0] == "pip"]
    extra = re.fullmatch(r"keras-seg\[(\w+)\]", line[2])[1]
    assert extra in project["optional-dependencies"]


def test_links_lead_to_files():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_python_runs():
    for block in blocks("python"):
        block = block.replace("ResNet50()", "ResNet50(weights=None)")
        exec(block.replace('"resnet50"', '"resnet50", None'), {})


def test_the_folder_block_runs(tmp_path, monkeypatch):
    images, masks = synthetic.shapes(6, size=64, classes=3)
    classes = synthetic.shape_classes(3)
    synthetic.write_folder(tmp_path / "DATA", images, masks, classes, "train")
    os.rename(tmp_path / "DATA", tmp_path / "with_splits")
    os.rename(tmp_path / "with_splits" / "train", tmp_path / "DATA")
    shutil.copy(tmp_path / "with_splits" / "classes.csv", tmp_path / "DATA")
    save_image(tmp_path / "photo.jpg", images[0])
    monkeypatch.chdir(tmp_path)
    mine = [words for words in commands() if words[0] == "keras-seg"]
    assert len(mine) == 5
    for words in mine[1:]:
        if words[1] == "train":  # Nothing is downloaded, and it takes seconds.
            words += ["--weights", "none", "--epochs", "1"]
        if words[1] == "export":  # PyTorch writes files for one size.
            words += ["--size", "64"]
        run(words)
    assert (tmp_path / "predictions" / "photo.png").is_file()
    assert (tmp_path / "RUN" / "best.onnx").is_file()


def test_the_picture_is_what_its_command_makes(tmp_path, monkeypatch, weights):
    skimage = pytest.importorskip("skimage")
    name = re.search(r"^`keras-seg .* (\S+)`$", README, re.MULTILINE)[1]
    photo = pathlib.Path(skimage.__file__).parent / "data" / name
    shutil.copy(photo, tmp_path)
    monkeypatch.chdir(tmp_path)
    run(shlex.split(re.search(r"^`(keras-seg .*)`$", README, re.MULTILINE)[1]))
    overlay = tmp_path / "predictions" / f"{photo.stem}_overlay.jpg"
    parts = [np.asarray(Image.open(file)) for file in (photo, overlay)]
    made = panel(parts)
    if os.environ.get("KERAS_SEG_UPDATE"):
        save_image(PICTURE, made)
    shown = np.asarray(Image.open(PICTURE))
    assert shown.shape == made.shape
    assert np.abs(shown.astype(int) - made).mean() < 2
