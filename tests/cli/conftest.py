"""A folder of data and a run, made once by the command line itself."""

import pytest
from typer.testing import CliRunner

from keras_seg.cli import app
from keras_seg.data import synthetic

TINY = (
    "--model unet --backbone none --option filters=4 --option depth=2 "
    "--epochs 1 --batch-size 4 --crop 32"
).split()


@pytest.fixture(scope="session")
def invoke():
    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


@pytest.fixture(scope="session")
def tiny():
    """Options of `keras-seg train` for a network that trains in seconds."""
    return TINY


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("membranes") / "data"
    images, masks = synthetic.membranes(7, size=48)
    classes = synthetic.MEMBRANE_CLASSES
    synthetic.write_folder(path, images[:4], masks[:4], classes, "train")
    synthetic.write_folder(path, images[4:], masks[4:], classes, "val")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory, data, invoke):
    """What `keras-seg train` printed, and the folder it wrote."""
    out = tmp_path_factory.mktemp("runs") / "run"
    return invoke("train", data, "--out", out, *TINY), out
