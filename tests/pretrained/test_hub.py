"""Presets of keras-hub: random weights, saved and loaded as presets are."""

import dataclasses
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from keras_seg.applications.backbones import backbone_layers
from keras_seg.cli import app
from keras_seg.pretrained import catalogue
from keras_seg.pretrained import load
from keras_seg.runs import Settings
from keras_seg.runs import class_table_of
from keras_seg.training import build_model
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

BACKEND = keras.backend.backend()

hub = pytest.importorskip("keras_hub", exc_type=ImportError)

SIDE = 64
COLORS = {"scale": [0.02, 0.018, 0.017], "offset": [-2.1, -2.0, -1.8]}


def segformer():
    encoder = hub.models.MiTBackbone(
        layerwise_depths=[1, 1, 1, 1],
        num_layers=4,
        layerwise_num_heads=[1, 1, 2, 2],
        layerwise_sr_ratios=[8, 4, 2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3, 3, 3],
        layerwise_strides=[4, 2, 2, 2],
        image_shape=(SIDE, SIDE, 3),
        hidden_dims=[4, 8, 16, 32],
    )
    models = hub.models
    return models.SegFormerImageSegmenter(
        models.SegFormerBackbone(encoder, projection_filters=8),
        num_classes=19,
        preprocessor=models.SegFormerImageSegmenterPreprocessor(
            hub.layers.SegFormerImageConverter((SIDE, SIDE), **COLORS)
        ),
    )


def deeplab():
    encoder = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64, 64, 64],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
        use_pre_activation=False,
    )
    models = hub.models
    return models.DeepLabV3ImageSegmenter(
        models.DeepLabV3Backbone(
            encoder,
            spatial_pyramid_pooling_key="P5",
            upsampling_size=8,
            dilation_rates=[6, 12, 18],
            low_level_feature_key="P2",
        ),
        num_classes=21,
        preprocessor=models.DeepLabV3ImageSegmenterPreprocessor(
            hub.layers.DeepLabV3ImageConverter(**COLORS)
        ),
    )


@pytest.fixture
def preset(tmp_path, monkeypatch):
    """Puts a random network in the place of a network of the catalogue."""

    def put(segmenter, name):
        folder = str(tmp_path / name)
        segmenter.save_to_preset(folder)
        known = dataclasses.replace(catalogue.find(name), url=folder)
        monkeypatch.setattr(catalogue, "CATALOGUE", (known,))
        return known

    return put


PRESETS = [
    (segformer, "segformer_b0_cityscapes_1024"),
    (deeplab, "deeplab_v3_plus_resnet50_pascalvoc"),
]


# Both on PyTorch, and one where it is compiled.
@pytest.mark.parametrize(
    ("make", "name"),
    {"jax": PRESETS[:1], "tensorflow": PRESETS[1:]}.get(BACKEND, PRESETS),
)
def test_a_preset(make, name, preset, tmp_path):
    """At the preset's size the logits are keras-hub's; any size works."""
    segmenter = randomize(make())
    known = preset(segmenter, name)
    model = load(name)
    assert class_table_of(model) == known.class_table and model.name == name
    image = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3))
    # `predict` of keras-hub converts the images by itself.
    expected = segmenter.predict(image.astype("float32"), verbose=0)
    # Measured: 3e-7 to 9e-7 on the three backends.
    assert relative_difference(outputs(model, image), expected) < 1e-5
    image = np.random.default_rng(0).integers(0, 256, (1, 150, 33, 3))
    found = outputs(model, image)
    assert found.shape == (1, 150, 33, len(known.class_table))
    model.save(tmp_path / "model.keras")
    saved = keras.models.load_model(tmp_path / "model.keras")
    assert relative_difference(outputs(saved, image), found) < 1e-6
    trained = build_model(Settings(start_from=name), 2)
    assert trained.output_shape == (None, None, None, 2)
    kept = backbone_layers(trained)
    with_weights = {x.name for x in trained.layers if x.weights}
    assert with_weights - {x.name for x in kept} == {"score_conv"}


@pytest.mark.once
def test_from_the_command_line(preset, tmp_path, monkeypatch):
    """`predict` by name; without keras-hub, and without a preset."""
    name = "segformer_b0_cityscapes_1024"
    known = preset(randomize(segformer()), name)
    photo = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), "uint8")
    Image.fromarray(pixels).save(photo)
    command = ["predict", "--model", name, str(photo), "--out"]
    result = CliRunner().invoke(app, [*command, str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "out" / "photo.png") as mask:
        assert mask.size == (70, 50)
    missing = dataclasses.replace(known, url=str(tmp_path / "none"))
    monkeypatch.setattr(catalogue, "CATALOGUE", (missing,))
    with pytest.raises(OSError, match="could not load segformer_b0_cityscapes"):
        load(name)
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    monkeypatch.setitem(sys.modules, "keras_hub.src.utils.preset_utils", None)
    with pytest.raises(ImportError, match="needs keras_hub. Fix: pip install"):
        load(name)
    result = CliRunner().invoke(app, [*command, str(tmp_path / "other")])
    assert result.exit_code == 1 and "keras-seg[hub]" in result.stderr
