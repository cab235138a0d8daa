"""Runs that began from other networks go on as if they had not stopped."""

import dataclasses
import pathlib

import keras
import pytest
from typer.testing import CliRunner

from keras_seg.cli import app
from keras_seg.data import synthetic
from keras_seg.pretrained import catalogue
from keras_seg.runs import Settings
from keras_seg.training import DataSource
from keras_seg.training import train
from tests.networks import randomize
from tests.training.runs import assert_same_run
from tests.training.test_train import Stop

# Small networks predict one class at first.
pytestmark = pytest.mark.filterwarnings("ignore:Only:keras_seg.runs.RunWarning")


def by_name(tmp_path, monkeypatch):
    """A SegFormer of the catalogue, whose dropout draws in every step."""
    from tests.pretrained.test_hub import segformer

    name, preset = "segformer_b0_cityscapes_1024", str(tmp_path / "preset")
    randomize(segformer()).save_to_preset(preset)
    known = dataclasses.replace(catalogue.find(name), url=preset)
    monkeypatch.setattr(catalogue, "CATALOGUE", (known,))
    return {"start_from": name}


def own_classifier(tmp_path, monkeypatch, norm=True):
    image = keras.Input((32, 32, 3))
    x = keras.layers.RandomFlip()(image)
    for filters in (4, 4, 8, 8, 8):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same")(x)
        if norm:
            x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(3, "softmax")(x)
    file = str(tmp_path / "mine.keras")
    randomize(keras.Model(image, x)).save(file)
    return {"model": "fcn8s", "backbone": file, "weights": None}


def classifier_without_batch_norm(tmp_path, monkeypatch):
    return own_classifier(tmp_path, monkeypatch, norm=False)


# On each backend, what is resumed is tested in test_train.py.
@pytest.mark.once
@pytest.mark.parametrize(
    "begin", [by_name, own_classifier, classifier_without_batch_norm]
)
def test_resumed(begin, tmp_path, monkeypatch):
    settings = Settings(
        **begin(tmp_path, monkeypatch),
        epochs=2,
        batch_size=4,
        crop=(32, 32),
        learning_rate=1e-2,
    )
    images, masks = synthetic.membranes(10, size=48)
    data = tmp_path / "data"
    synthetic.write_folder(data, images, masks, synthetic.MEMBRANE_CLASSES)
    source = DataSource(str(data), "train", val_fraction=0.3)
    pairs, held_out = source.read()
    options = {"source": source, "verbose": 0}
    whole, out = tmp_path / "whole", tmp_path / "out"
    train(settings, pairs, held_out, whole, **options)
    with pytest.raises(InterruptedError):
        stop = Stop(1, 1)
        train(settings, pairs, held_out, out, callbacks=[stop], **options)
    command = ["train", "--resume", str(out), "--quiet"]
    if settings.backbone_file:
        file = pathlib.Path(settings.backbone_file)
        file = file.rename(file.with_name("moved.keras"))
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 1 and "mine.keras" in result.stderr
        assert result.stderr.count("\n") == 1
        file.rename(settings.backbone_file)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert_same_run(out, whole)
