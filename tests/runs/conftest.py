import pytest

from keras_seg.data import synthetic


@pytest.fixture
def folder(tmp_path):
    images, masks = synthetic.membranes(5, size=32)
    path, classes = tmp_path / "data", synthetic.MEMBRANE_CLASSES
    synthetic.write_folder(path, images[:3], masks[:3], classes, "train")
    synthetic.write_folder(path, images[3:], masks[3:], classes, "val")
    return path
