import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg import applications
from keras_seg.applications import UNet
from keras_seg.layers.base import nested_layers
from keras_seg.runs import Settings
from keras_seg.training import build_model
from keras_seg.training import suggest_settings
from keras_seg.training.recipes import momentum_for
from keras_seg.training.setup import compiled_model

pytestmark = pytest.mark.once

UNET = Settings(
    model="UNet",
    backbone=None,
    weights=None,
    options={"filters": 4, "depth": 2},
)


def change(**values):
    return dataclasses.replace(UNET, **values)


def test_case_does_not_count():
    for name in ("unet", "UNET"):
        model = build_model(change(model=name), 3)
        assert model.compute_output_shape((1, 33, 17, 3)) == (1, 33, 17, 3)


def test_unknown_model():
    systems = set(applications.__all__) - {"N4"}
    names = ", ".join(sorted(n.lower() for n in systems))
    with pytest.raises(ValueError) as caught:
        build_model(change(model="fcn8"), 3)
    assert str(caught.value) == (
        f"`model` must be one of keras_seg.applications: {names}. "
        "Did you mean 'fcn8s'? Received: model='fcn8'"
    )


def test_unknown_option():
    with pytest.raises(ValueError) as caught:
        build_model(change(options={"filter": 3}), 3)
    assert str(caught.value) == (
        "`options` are further arguments of UNet, which has no 'filter' to "
        "set there. Did you mean 'filters'? Received: options={'filter': 3}"
    )
    for name in ("classes", "classifier_activation"):
        with pytest.raises(ValueError, match=f"no '{name}' to set there"):
            build_model(change(options={name: None}), 3)


def test_images_of_another_range_are_warned_of():
    pair = np.full((32, 32, 3), 300, "uint16"), np.zeros((32, 32), "uint8")
    with pytest.warns(UserWarning, match="uint16 from 300 .* RGB in 0...255"):
        compiled_model(change(crop=32), 2, [pair])


def test_backbone_needed():
    with pytest.raises(ValueError, match="FCN8s needs a backbone"):
        build_model(change(model="fcn8s", options={}), 3)


def test_encoder_of_its_own():
    settings = change(model="segnet", options={"filters": 2})
    model = build_model(settings, 3)
    assert model.compute_output_shape((1, 33, 17, 3)) == (1, 33, 17, 3)
    settings = dataclasses.replace(settings, backbone="vgg16")
    with pytest.raises(ValueError, match="own.*Received: backbone='vgg16'"):
        build_model(settings, 3)


def test_no_pretrained_weights():
    settings = change(model="segnetbasic", options={"filters": 2})
    model = build_model(settings, 3)
    assert model.compute_output_shape((1, 33, 17, 3)) == (1, 33, 17, 3)
    settings = dataclasses.replace(settings, weights="imagenet")
    with pytest.raises(ValueError, match="begins from random.*'imagenet'"):
        build_model(settings, 3)


def test_one_output_of_the_size_of_the_image():
    for model, name in (("unet", "padding"), ("deeplabv3", "auxiliary")):
        with pytest.raises(ValueError, match=f"no '{name}' to set there"):
            build_model(change(model=model, options={name: True}), 3)


def test_channels_are_last_in_a_run(tmp_path):
    """Whatever Keras is set to."""
    file = str(tmp_path / "first.keras")
    UNet(classes=2, filters=2, depth=1, data_format="channels_first").save(file)
    with pytest.raises(ValueError, match="channels last.*first.keras, with"):
        build_model(Settings(start_from=file), 2)
    keras.config.set_image_data_format("channels_first")
    try:
        model = build_model(change(), 2)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert model.input_shape == (None, None, None, 3)


def test_a_run_keeps_the_norms_of_the_backbone_and_trains_new_ones():
    settings = Settings(
        model="deeplabv3",
        weights=None,
        freeze_batch_norm=True,
        epochs=3,
        batch_size=2,
    )
    pairs = [(np.zeros((8, 8, 3), "uint8"), np.zeros((8, 8), "uint8"))] * 60
    model = compiled_model(settings, 2, pairs)
    norms = [
        layer
        for layer in nested_layers(model)
        if isinstance(layer, layers.BatchNormalization)
    ]
    trained = [norm for norm in norms if norm.trainable]
    assert (len(norms), len(trained)) == (51 + 6, 6)
    assert {norm.momentum for norm in trained} == {momentum_for(3 * 30)}


def images(count, *sizes):
    """Pairs of the sizes, one after the other."""
    return [
        (np.zeros((*size, 3), "uint8"), np.zeros(size, "uint8"))
        for size in (sizes * count)[:count]
    ]


@pytest.mark.parametrize(
    ("sizes", "crop"),
    [
        ([(300, 40)], (256, 40)),
        ([(40, 300)], (40, 256)),
        ([(256, 257)], (256, 256)),
        ([(255, 254)], (255, 254)),
        # Half of the images have no smaller side, each side by itself.
        ([(90, 80), (60, 200), (30, 20), (200, 100)], (60, 80)),
        # One small image of five does not make small crops of all.
        ([(300, 90), (300, 90), (300, 90), (300, 90), (8, 8)], (256, 90)),
    ],
)
def test_suggested_crop(sizes, crop):
    assert suggest_settings(images(len(sizes), *sizes)).crop == crop


@pytest.mark.parametrize(
    ("count", "batch_size", "epochs"),
    [
        (1, 1, 100),
        (7, 7, 100),
        (8, 8, 100),
        (80, 8, 100),  # 10 batches: 1,000 updates in 100 epochs.
        (81, 8, 91),  # 11 batches: 1,001 updates.
        (367, 8, 22),  # CamVid, 46 batches: 1,012 updates.
        (400, 8, 20),  # 50 batches: 1,000 updates.
        (800, 8, 20),
    ],
)
def test_suggested_batches_and_epochs(count, batch_size, epochs):
    found = suggest_settings(images(count, (4, 5)))
    assert (found.batch_size, found.epochs) == (batch_size, epochs)


def test_suggested_settings_keep_what_was_chosen():
    """1,000 updates of 200 images in batches of 4 are 20 epochs."""
    chosen = Settings(batch_size=4, crop=None, scale=None, epochs=3)
    pairs = images(200, (4, 5))
    found = suggest_settings(pairs, chosen, names=["epochs"])
    assert found == dataclasses.replace(chosen, epochs=20)
    assert suggest_settings(pairs, chosen, names=()) == chosen


def test_suggested_crop_of_a_folder():
    """The files say the size; no image is decoded."""

    class Folder(list):
        def size(self, index):
            return [(70, 50), (70, 50)][index]

    assert suggest_settings(Folder([None, None])).crop == (70, 50)
