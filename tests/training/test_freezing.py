import keras
import numpy as np
import pytest

from keras_seg.applications import UNet
from keras_seg.training import freeze_backbone
from keras_seg.training import unfreeze
from keras_seg.training.recipes import finetune
from tests.networks import outputs


def classifier():
    image = x = keras.Input((32, 32, 3))
    for number, filters in enumerate((4, 6), start=1):
        x = keras.layers.Conv2D(
            filters, 3, strides=2, padding="same", name=f"conv{number}"
        )(x)
        x = keras.layers.BatchNormalization(name=f"norm{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(5, name="predictions")(x)
    return keras.Model(image, x, name="classifier")


def weights_of(model, names):
    return [
        weight.copy()
        for layer in model.layers
        if layer.name in names
        for weight in layer.get_weights()
    ]


def test_only_the_new_layers_are_trained():
    backbone = classifier()
    model = freeze_backbone(UNet(backbone, classes=2))
    by_name = freeze_backbone(UNet(backbone, classes=2), backbone)
    assert [layer.trainable for layer in model.layers] == [
        layer.trainable for layer in by_name.layers
    ]
    old = {"conv1", "norm1", "conv2", "norm2"}
    new = {layer.name for layer in model.layers if layer.weights} - old
    before = weights_of(model, old), weights_of(model, new)
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    masks = rng.integers(0, 2, (2, 16, 16))
    model.fit(images, masks, verbose=0)
    for old_value, value in zip(before[0], weights_of(model, old), strict=True):
        np.testing.assert_array_equal(value, old_value)
    moved = [
        np.abs(value - old_value).max()
        for old_value, value in zip(
            before[1], weights_of(model, new), strict=True
        )
    ]
    assert max(moved) > 0
    unfreeze(model)
    assert old < {x.name for x in model.layers if x.trainable_weights}
    assert outputs(model, images).shape == (2, 16, 16, 2)


def test_not_its_backbone():
    backbone = classifier()
    model = UNet(backbone, classes=2)
    with pytest.raises(ValueError, match="that came from the backbone, and"):
        freeze_backbone(model, keras.Sequential([keras.layers.ReLU()]))
    with pytest.raises(ValueError, match="that came from the backbone, and"):
        freeze_backbone(backbone, backbone)
    with pytest.raises(ValueError, match="must be the keras.Model"):
        freeze_backbone(model, "mobilenet_v2")
    with pytest.raises(ValueError, match="0 of them such layers"):
        freeze_backbone(UNet(filters=2, depth=1))


@pytest.mark.once
def test_unknown_is_not_none():
    """Neither recipe takes a model for one without a backbone."""
    backbone = classifier()
    maps = backbone.layers[-3].output
    score = keras.layers.Conv2D(2, 1, name="score_fr")
    model = keras.Model(backbone.input, score(maps))
    with pytest.raises(ValueError, match="Give `backbone`, the keras.Model"):
        freeze_backbone(model)
    with pytest.raises(ValueError, match="Or give backbone_rate=1"):
        finetune([0], model, classes=2)
    assert finetune([0], model, classes=2, backbone_rate=1)
    slow = finetune([0], model, classes=2, backbone=backbone)["optimizer"]
    assert slow.multiplier("conv1/kernel") == 0.1
    assert slow.multiplier("score_fr/kernel") == 1
    freeze_backbone(model, backbone)
    assert not model.get_layer("conv1").trainable
    assert model.get_layer("score_fr").trainable
