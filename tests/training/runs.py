"""Is every file of a run folder whole, and are two runs the same?"""

import csv
import json
import zipfile

import keras
import numpy as np
from PIL import Image

from keras_seg.atomic import PREFIX
from keras_seg.runs import RunFolder
from keras_seg.training.checkpoint import read_checkpoint

__all__ = ["assert_same_run", "check_whole_files"]


def assert_same_run(out, whole):
    """Weights, optimizer, generators and best model, to 1e-6."""
    facts, arrays = read_checkpoint(out / "state.npz")
    expected_facts, expected = read_checkpoint(whole / "state.npz")
    assert list(arrays) == list(expected)
    for name, array in arrays.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-6)
    for key in ("epoch", "best_epoch"):
        assert facts[key] == expected_facts[key]
    for best in (True, False):
        models = [RunFolder.open(p).load_model(best) for p in (out, whole)]
        weights = zip(*(model.weights for model in models), strict=True)
        for pair in weights:
            arrays = map(keras.ops.convert_to_numpy, pair)
            np.testing.assert_allclose(*arrays, atol=1e-6)
    names = {path.relative_to(out) for path in out.rglob("*")}
    assert names == {path.relative_to(whole) for path in whole.rglob("*")}


def check_whole_files(folder):
    """Reads every file to its end, those being written left out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(PREFIX) for part in path.parts)
        if not hidden and path.is_file():
            READERS[path.suffix](path)


def _table(path):
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    assert rows, path
    assert {len(row) for row in rows} == {len(header)}, path


def _state(path):
    with np.load(path, allow_pickle=False) as file:
        assert all(file[name] is not None for name in file.files)


def _model(path):
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert {"config.json", "model.weights.h5"} <= set(file.namelist())


def _picture(path):
    with Image.open(path) as image:
        image.load()


def _text(path):
    assert path.read_text().endswith("\n"), path


READERS = {
    ".csv": _table,
    ".json": lambda path: json.loads(path.read_text()),
    ".keras": _model,
    ".md": _text,
    ".npz": _state,
    ".png": _picture,
    ".txt": _text,
}
