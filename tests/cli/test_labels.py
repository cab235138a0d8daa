"""From a folder to masks, of one score a pixel, and of labels that overlap."""

import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import from_folder
from keras_seg.data import read_image
from keras_seg.data import synthetic
from keras_seg.inference import predict
from keras_seg.runs import RunFolder

TABLE = ClassTable(("dark", "left"), ((9, 0, 0), (0, 9, 0)))


def ran(result):
    assert not result.exit_code, result.output
    return " ".join(result.stdout.split())


@pytest.mark.once
def test_one_score(data, images, invoke, tiny, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out"
    ran(invoke("train", data, "--out", run, *tiny, "--binary"))
    model = RunFolder.open(run).load_model()
    assert model.output_shape[-1] == 1
    assert "membrane" in ran(invoke("evaluate", run, data))
    assert (run / "evaluation_val_confusion.png").is_file()
    ran(invoke("predict", run, images[0], "--out", out, "--probabilities"))
    with Image.open(out / images[0].name) as mask:
        ids = np.asarray(mask)
    (found,) = predict(model, [read_image(images[0])], probabilities=True)
    np.testing.assert_array_equal(ids, found.ids)
    p = np.load(out / f"{images[0].stem}.npz")["probabilities"]
    np.testing.assert_array_equal(p, found.probabilities)


@pytest.mark.once
def test_labels(invoke, tiny, tmp_path):
    """What is predicted is read back as masks of labels."""
    images, _ = synthetic.membranes(6, size=32)
    masks = [
        np.stack([x.mean(-1) < 128, np.arange(32) + 0 * x[..., 0] < 16], -1)
        for x in images
    ]
    masks = [mask.astype("uint8") for mask in masks]
    data, run, out = (tmp_path / name for name in ("data", "run", "out"))
    synthetic.write_folder(data, images[:4], masks[:4], TABLE, "train")
    synthetic.write_folder(data, images[4:], masks[4:], TABLE, "val")
    options = "--multi-label", "--threshold", "iou"
    ran(invoke("train", data, "--out", run, *tiny, *options))
    said = ran(invoke("evaluate", run, data))
    assert "dark" in said and "left" in said
    assert not (run / "evaluation_val_confusion.png").exists()
    files = sorted((data / "val" / "images").iterdir())
    ran(invoke("predict", run, files[0].parent, "--out", out))
    assert (out / f"{files[0].stem}_overlay.jpg").is_file()
    again = tmp_path / "again"
    shutil.copytree(files[0].parent, again / "images")
    for name in TABLE.names:
        shutil.copytree(out / name, again / "labels" / name)
    shutil.copy(data / "classes.csv", again)
    found = from_folder(again, multi_label=True)
    model = keras.models.load_model(run / "best.keras")
    for number, file in enumerate(files):
        np.testing.assert_array_equal(
            found[number][1], predict(model, read_image(file))
        )
