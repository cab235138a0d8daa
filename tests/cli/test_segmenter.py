"""What a network offers on the page, and how long files are kept."""

import io
import os
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from keras_seg.applications import UNet
from keras_seg.cli.page import make_samples
from keras_seg.cli.segmenter import MOST_NETWORKS
from keras_seg.cli.segmenter import SAMPLES
from keras_seg.cli.segmenter import Segmenter
from keras_seg.cli.segmenter import remove_old
from keras_seg.data import read_image
from keras_seg.deployment import ExportedModel
from keras_seg.deployment import export
from keras_seg.inference import Tiles
from keras_seg.inference import predict
from keras_seg.runs import RunFolder
from tests.cli.test_page import client
from tests.cli.test_page import segment
from tests.conftest import ROOT

pytestmark = pytest.mark.once


def test_options_that_a_network_has(model, run, images, serving, tmp_path):
    """An exported one is not altered, and is served without Keras."""
    table = RunFolder.open(run).class_table
    segmenter = Segmenter(model, table, tmp_path)
    assert segmenter.options == {"confidence", "mirror", "scales", "crf"}
    fixed = keras.Model(x := keras.Input((48, 48, 3)), model(x))
    options = {"confidence", "mirror", "crf"}
    assert Segmenter(fixed, table, tmp_path).options == options
    path = tmp_path / "best.pt2"
    export(model, path, size=(48, 48))
    exported = ExportedModel(path)
    segmenter = Segmenter(exported, table, tmp_path)
    assert segmenter.options == {"confidence"}
    with pytest.raises(ValueError, match="takes 48×48 pixels, and gets tiles"):
        Segmenter(exported, table, tmp_path, tiles=Tiles(64, overlap=32))
    for number, name in enumerate(("scales", "mirror", "crf")):
        options: list = ["1", False, False]
        options[number] = True if number else "0.5,1"
        error = {"error": f"{name} does not work with this network."}
        assert segmenter(str(images[0]), *options) == (error, None, None)
    broken = tmp_path / "broken" / "keras"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise SyntaxError('Keras')")
    paths = [str(broken.parent), str(ROOT)]
    (expected,) = predict(exported, [read_image(images[0])])
    with (
        serving(str(path), PYTHONPATH=os.pathsep.join(paths)) as url,
        client(url) as http,
    ):
        _, mask, _ = segment(http, images[0])
    np.testing.assert_array_equal(Image.open(io.BytesIO(mask)), expected.ids)
    with pytest.raises(ValueError, match="and this network takes 4. Fix:"):
        Segmenter(UNet(input_shape=(None, None, 4)), table, tmp_path)


def test_old_files_are_removed(model, run, images, tmp_path):
    """With the photographs; samples stay."""
    folder = tmp_path / "files"
    folder.mkdir()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    found = make_samples([broken, *images], folder / SAMPLES, most=2)
    assert [image.name for image, _ in found] == [p.name for p in images[:2]]
    assert read_image(found[0][1]).shape == (192, 192, 3)
    segmenter = Segmenter(model, RunFolder.open(run).class_table, folder)
    photo = shutil.copy(images[0], folder)
    assert None not in segmenter(photo)
    for path in folder.rglob("*"):
        os.utime(path, times=(0, 0))
    remove_old(folder)
    shown, *files = segmenter(photo)
    assert shown == {
        "error": f"{images[0].name} has been removed, 60 min after it came. "
        "Fix: drop it again."
    }
    assert files == [None, None] and list(folder.iterdir()) == [
        folder / SAMPLES
    ]
    assert all(path.is_file() for sample in found for path in sample)
    assert segmenter(None) == (None, None, None)
    remove_old(tmp_path / "none")


def test_visitors_cannot_fill_the_memory_with_networks(model, run, tmp_path):
    table = RunFolder.open(run).class_table
    segmenter = Segmenter(model, table, tmp_path)
    for number in range(1, 15):
        segmenter._network((1.0, 1 + number / 100), False, False)
        assert len(segmenter._networks) <= MOST_NETWORKS
