"""The Python of the README runs, on drawn data in place of the user's."""

import pathlib
import re

import keras
import numpy as np
import pytest

from keras_seg.data import synthetic
from tests.pretrained.torchvision.test_convert import golden_state

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.once
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block_runs(number, tmp_path, monkeypatch):
    images, masks = synthetic.shapes(4, size=64, classes=3)
    synthetic.write_folder(
        tmp_path / "DATA", images, masks, synthetic.shape_classes(3)
    )
    monkeypatch.chdir(tmp_path)
    code = BLOCKS[number]
    code = code.replace(
        '"mobilenet_v2", classes', '"mobilenet_v2", None, classes'
    )
    code = code.replace("RandomCrop(256)", "RandomCrop(32)")
    code = code.replace("epochs=20", "epochs=1")
    names = {}
    if "from_torchvision" in code:
        _write_torchvision_file(tmp_path / "deeplab.safetensors")
        names["images"] = np.zeros((1, 33, 40, 3), "uint8")
    if "keras_hub" in code:
        _replace_download(monkeypatch)
    if "crf_search" in code:
        names.update(_refined(images[:2, :12, :16], masks[:2, :12, :16]))
    exec(code, names)


def _write_torchvision_file(path):
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file(golden_state("deeplabv3_resnet50"), path)


def _refined(images, masks):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1)(inputs))
    return {
        "image": images[0],
        "logits": model.predict(images[:1], verbose=0)[0],
        "model": model,
        "pairs": list(zip(images, masks, strict=True)),
    }


def _replace_download(monkeypatch):
    models = pytest.importorskip("keras_hub", exc_type=ImportError).models
    from tests.applications.test_hub_backbones import resnet

    small = resnet()
    monkeypatch.setattr(
        models.ResNetBackbone, "from_preset", lambda preset: small
    )


def test_there_are_blocks():
    assert len(BLOCKS) == 7
