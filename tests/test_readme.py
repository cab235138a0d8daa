"""The Python of the README runs, on drawn data in place of the user's."""

import pathlib
import re

import pytest

from keras_seg.data import synthetic

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block_runs(number, tmp_path, monkeypatch):
    images, masks = synthetic.shapes(4, size=64, classes=3)
    synthetic.write_folder(
        tmp_path / "DATA", images, masks, synthetic.shape_classes(3)
    )
    monkeypatch.chdir(tmp_path)
    code = BLOCKS[number]
    code = code.replace('FCN8s("mobilenet_v2",', '_FCN8s("mobilenet_v2", None,')
    code = code.replace("applications._FCN8s", "applications.FCN8s")
    code = code.replace("crop=(256, 256)", "crop=(32, 32)")
    code = code.replace("epochs=20", "epochs=1")
    exec(code, {})


def test_there_are_blocks():
    assert len(BLOCKS) == 3
