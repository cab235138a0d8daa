"""A tiny run that was trained and evaluated, and a Hub to push it to."""

import shutil

import pytest

from keras_seg import training
from keras_seg.cli import app
from keras_seg.data import synthetic
from keras_seg.visualization import save_image
from tests.hub.stand_in import OWNER
from tests.hub.stand_in import StandIn


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """A folder with `my DATA`, RUN, which was trained on it, and photo.jpg."""
    from typer.testing import CliRunner

    desk = tmp_path_factory.mktemp("desk")
    images, masks = synthetic.shapes(5, size=48, classes=3)
    source = desk / "my DATA"
    synthetic.write_folder(source, images, masks, synthetic.shape_classes(3))
    save_image(desk / "photo.jpg", images[0])
    settings = training.Settings(
        model="unet",
        backbone=None,
        weights=None,
        options={"filters": 2, "depth": 1},
        epochs=1,
        batch_size=2,
        crop=32,
    )
    source = training.DataSource(str(source), val_fraction=0.4)
    training.train(
        settings, *source.read(), desk / "RUN", source=source, verbose=0
    )
    evaluate = "evaluate", str(desk / "RUN"), source.path, "--split", "train"
    done = CliRunner().invoke(app, evaluate)
    assert done.exit_code == 0, done.output
    return desk


@pytest.fixture
def run(desk, tmp_path):
    """A copy of the run."""
    return shutil.copytree(desk / "RUN", tmp_path / "RUN")


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A Hub on this machine, an empty cache, and "me" logged in."""
    constants = pytest.importorskip("huggingface_hub.constants")
    stand_in = StandIn()
    for name, value in {
        "ENDPOINT": stand_in.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": stand_in.url
        + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_TOKEN_PATH": str(tmp_path / "token"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", OWNER)
    yield stand_in
    stand_in.close()
