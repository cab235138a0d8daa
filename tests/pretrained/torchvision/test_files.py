import pathlib
import pickle
import sys

import numpy as np
import pytest

from keras_seg.pretrained.catalogue import find
from keras_seg.pretrained.torchvision import files
from keras_seg.pretrained.torchvision.files import read
from tests import torchvision_oracle as oracle

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.once

STATE = {"a.weight": np.arange(6.0).reshape(2, 3), "a.bias": np.ones(2)}


def assert_state(state):
    assert state.keys() == STATE.keys()
    for name, expected in STATE.items():
        np.testing.assert_array_equal(np.asarray(state[name]), expected)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "state.pth"
    tensors = {name: torch.tensor(value) for name, value in STATE.items()}
    torch.save(tensors, path)
    return path


def test_modules_mappings_and_paths(path):
    assert_state(read(STATE))
    assert_state(read(path))
    assert_state(read(str(path)))
    module = torch.nn.Linear(3, 2)
    assert list(read(module)) == ["weight", "bias"]


def test_safetensors(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "state.safetensors"
    numpy.save_file(STATE, path)
    assert_state(read(path))


class Touch:
    """What runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (pathlib.Path.touch, (self.path,))


def test_code_in_a_file_does_not_run(tmp_path):
    path, mark = tmp_path / "state.pth", tmp_path / "mark"
    torch.save({"a.weight": Touch(mark)}, path)
    with pytest.raises(ValueError, match="state.pth can't be loaded as tens"):
        read(path)
    assert not mark.exists()
    # It would have.
    pickle.loads(pickle.dumps(Touch(mark)))  # noqa: S301
    assert mark.exists()


def test_other_files(tmp_path):
    path = tmp_path / "state.pth"
    with pytest.raises(ValueError, match="one of lraspp.*Received: x=.*state"):
        read(path)
    path.write_text("no weights")
    with pytest.raises(ValueError, match="can't be loaded as tensors alone"):
        read(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(ValueError, match="state dict, and holds a Tensor"):
        read(path)
    for x in ("fcn_resnet18", 3, tmp_path):
        with pytest.raises(ValueError, match="`x` must be a torchvision netw"):
            read(x)


def test_without_the_packages(path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for x in (path, "fcn_resnet50"):
        with pytest.raises(ImportError, match="safetensors, needs torch"):
            read(x)
    assert_state(read(STATE))
    path = tmp_path / "state.safetensors"
    path.touch()
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match="file needs safetensors. Fix"):
        read(path)


def test_files_as_published():
    """As torchvision itself names them, and what it says of them."""
    models = oracle.models()
    for name in files.NAMES:
        weights, known = models.get_model_weights(name).DEFAULT, find(name)
        assert weights.url == known.url
        assert weights.meta["_file_size"] == known.mebibytes
        (scores,) = weights.meta["_metrics"].values()
        assert scores["miou"] == known.mean_iou
        theirs = weights.meta["categories"]
        assert known.class_table.names[1:] == tuple(theirs[1:])
