"""Networks of zeromodels as backbones: names, normalization, momentum."""

import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import FCN8s
from keras_seg.applications import UNet
from keras_seg.applications import zeromodels_backbones
from keras_seg.applications.backbones import encoder
from keras_seg.applications.backbones import find_builder
from keras_seg.surgery import set_output_stride
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

convnextv2 = pytest.importorskip("zeromodels.models.convnextv2")
regnet = pytest.importorskip("zeromodels.models.regnet")


def picture():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (1, 64, 96, 3)).astype("float32")


def small_regnet(**options):
    return randomize(
        regnet.RegNetModel(
            embedding_size=8,
            hidden_sizes=(8, 8, 16, 16),
            depths=(1, 1, 1, 1),
            groups_width=8,
            image_size=64,
            **options,
        )
    )


@pytest.mark.once
def test_normalized_and_trained_as_keras_does(tmp_path):
    """A model itself: its family's normalization, a momentum of Keras."""
    backbone = small_regnet()
    model = randomize(FCN8s(backbone, classes=3), seed=1)
    norms = [
        layer
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
    ]
    assert {layer.momentum for layer in norms} == {0.9}
    mean, deviation = (
        np.array([0.485, 0.456, 0.406]),
        np.array([0.229, 0.224, 0.225]),
    )
    x = picture()
    plain = FCN8s(backbone, classes=3, include_preprocessing=False)
    plain.set_weights(model.get_weights())
    normal = ((x / 255 - mean) / deviation).astype("float32")
    scores = outputs(model, x)
    assert relative_difference(outputs(plain, normal), scores) < 1e-5
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(loaded, x), scores)
    # The model that was given is as it was.
    first = next(x for x in backbone.layers if hasattr(x, "momentum"))
    assert first.momentum == 0.1


def test_response_norm_is_measured():
    model = randomize(
        convnextv2.ConvNeXtV2Model(
            depths=(1, 1, 1, 1), projection_dim=(4, 8, 8, 12), image_size=64
        )
    )
    with pytest.warns(UserWarning, match="GlobalResponseNorm.* differs by"):
        set_output_stride(model, 8)


@pytest.mark.once
def test_names():
    builder = find_builder("zeromodels:ConvNeXtV2Atto")
    assert builder.__name__ == "convnextv2_atto"
    network, mode = encoder(
        "zeromodels:mobilenetv4_conv_small",
        None,
        include_preprocessing=True,
        data_format="channels_last",
    )
    assert mode == "torch" and network.output.shape[-1] == 960
    for name, mode in (
        ("RegNet", "torch"),
        ("convnextv2_tiny_fcmae_ft_in22k_in1k", "torch"),
        ("xception41", "tf"),
    ):
        assert zeromodels_backbones.find_model(name)[1] == mode
    with pytest.raises(ValueError, match="Did you mean 'convnextv2tiny'"):
        UNet("zeromodels:convnextv2tny", weights=None, classes=2)


@pytest.mark.once
def test_weights_that_can_not_be_had(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="convnextv2_atto_.* not in its cache"):
        UNet("zeromodels:convnextv2_atto", weights="imagenet", classes=2)
    # Its architecture is not in the package.
    with pytest.raises(OSError, match="zeromodels/regnet_x_002 could not"):
        UNet("zeromodels:regnet_x_002", weights=None, classes=2)
    with pytest.raises(ValueError, match="hosts no weights of RegNet"):
        UNet("zeromodels:RegNet", weights="imagenet", classes=2)


@pytest.mark.once
def test_without_the_package(monkeypatch):
    for cached in (zeromodels_backbones._families, zeromodels_backbones._find):
        monkeypatch.setattr(
            zeromodels_backbones, cached.__name__, cached.__wrapped__
        )
    monkeypatch.setitem(sys.modules, "zeromodels", None)
    monkeypatch.delitem(sys.modules, "zeromodels.models")
    with pytest.raises(ImportError, match=r"keras-seg\[zeromodels\]"):
        UNet("zeromodels:RegNet", weights=None, classes=2)
