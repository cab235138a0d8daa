"""What a network knows of itself, wherever it went."""

import keras
import numpy as np
import pytest

from keras_seg.applications import DeepLabV3
from keras_seg.applications import UNet
from keras_seg.applications.backbones import backbone_layers
from keras_seg.layers.metadata import Metadata
from keras_seg.layers.metadata import facts_of
from keras_seg.surgery import fold_batch_norm
from keras_seg.surgery import multi_grid
from keras_seg.surgery import replace_classes
from keras_seg.surgery import set_output_stride
from tests.applications.test_deeplab_v3 import tiny_resnet


def through_a_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.models.load_model(tmp_path / "model.keras", safe_mode=True)


@pytest.mark.once
def test_the_backbone_is_known_after_everything(tmp_path):
    backbone = tiny_resnet()
    model = DeepLabV3(backbone, None, classes=3)
    # A layer of the backbone and no other: by their names alone.
    names = {layer.name for layer in backbone.layers if layer.weights}
    for changed in (
        model,
        through_a_file(model, tmp_path),
        keras.models.clone_model(model),
        set_output_stride(model, 8),
        set_output_stride(set_output_stride(model, 8), 16),
        replace_classes(model, 5),
        keras.Model(model.input, model.get_layer("aspp").output),
        through_a_file(set_output_stride(model, 8), tmp_path),
    ):
        assert {layer.name for layer in backbone_layers(changed)} == names
    folded = {layer.name for layer in backbone_layers(fold_batch_norm(model))}
    assert folded and folded < names  # Its norms are gone.


@pytest.mark.once
@pytest.mark.parametrize(
    "change",
    [
        fold_batch_norm,
        lambda model: multi_grid(model, (1, 2, 4, 2, 1)),
        lambda model: keras.Model(model.input, model.layers[-2].output),
        lambda model: keras.Model(
            model.input, keras.layers.Dropout(0.5)(model.output)
        ),
    ],
)
def test_strides_come_back_to_no_other_network(change):
    """Else what was changed would be lost in silence."""
    dense = set_output_stride(tiny_resnet(), 8)
    assert set_output_stride(dense, 16).output_shape[-1] == 12
    with pytest.raises(ValueError, match="was changed since its strides"):
        set_output_stride(change(dense), 16)


@pytest.mark.once
def test_strides_can_not_be_added():
    with pytest.raises(ValueError, match="Received: output_stride=32"):
        set_output_stride(DeepLabV3(tiny_resnet(), None, classes=3), 32)


@pytest.mark.once
def test_no_backbone_is_not_an_unknown_one():
    assert backbone_layers(UNet(filters=2, depth=1)) == []
    with pytest.raises(ValueError, match="Give `backbone`"):
        backbone_layers(tiny_resnet())


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_the_image_passes(dtype):
    image = np.random.default_rng(0).uniform(0, 255, (1, 2, 3, 3))
    image = image.astype(dtype)
    if keras.backend.backend() == "jax" and dtype == "float64":
        image = image.astype("float32")  # JAX has no other.
    found = keras.ops.convert_to_numpy(
        Metadata(dtype="mixed_bfloat16")(keras.ops.convert_to_tensor(image))
    )
    np.testing.assert_array_equal(found, image)
    assert found.dtype == image.dtype


@pytest.mark.once
def test_facts_are_copies():
    layer = Metadata({"backbone": ["a"]})
    layer.facts["backbone"].append("b")
    assert layer.facts == {"backbone": ["a"]}
    assert facts_of(keras.Sequential([keras.Input((1,)), layer])) == layer.facts
