"""Backbones of keras-hub, where it is installed."""

import json
import zipfile

import keras
import numpy as np
import pytest

from keras_seg import applications
from keras_seg.surgery import pyramid
from keras_seg.surgery import set_output_stride
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

keras_hub = pytest.importorskip("keras_hub", exc_type=ImportError)

BUILDERS = (
    "FCN32s",
    "FCN16s",
    "FCN8s",
    "DeepLabV2",
    "DeepLabV3",
    "DeepLabV3Plus",
    "UNet",
)


def resnet(block_type="bottleneck_block", pre_activation=False, stem=(7,)):
    """A ResNet of few filters: the first stage must have 64."""
    return randomize(
        keras_hub.models.ResNetBackbone(
            input_conv_filters=[8] * len(stem),
            input_conv_kernel_sizes=list(stem),
            stackwise_num_filters=[64, 4, 6, 8],
            stackwise_num_blocks=[1, 1, 2, 1],
            stackwise_num_strides=[1, 2, 2, 2],
            block_type=block_type,
            use_pre_activation=pre_activation,
        )
    )


def vgg():
    return keras_hub.models.VGGBackbone([1] * 5, [4, 4, 6, 6, 8])


def densenet():
    return keras_hub.models.DenseNetBackbone([1, 2, 2, 1], growth_rate=4)


def xception():
    return keras_hub.models.XceptionBackbone(
        [[4, 6], [8, 8], [10, 10], [10, 10], [12, 12], [14, 14]],
        [False, True, True, False, True, False],
    )


def csp_net():
    """With a split of channels, and a stem that pads by -inf."""
    return keras_hub.models.CSPNetBackbone(
        stem_filters=8,
        stem_kernel_size=7,
        stem_strides=4,
        stem_pooling="max",
        stackwise_depth=[1, 1, 1],
        stackwise_strides=[1, 2, 2],
        stackwise_num_filters=[8, 8, 16],
        block_type="bottleneck_block",
        stage_type="csp",
        bottle_ratio=[0.5],
        expand_ratio=[2],
    )


def mobilenet():
    """Its blocks are one layer each."""
    return keras_hub.models.MobileNetBackbone(
        stackwise_expansion=[[16, 16], [24], [32]],
        stackwise_num_blocks=[2, 1, 1],
        stackwise_num_filters=[[8, 8], [8], [16]],
        stackwise_kernel_size=[[3, 3], [3], [3]],
        stackwise_num_strides=[[2, 1], [2], [2]],
        stackwise_se_ratio=[[None, None], [None], [None]],
        stackwise_activation=[["relu6", "relu6"], ["relu6"], ["relu6"]],
        stackwise_padding=[[1, 1], [1], [1]],
        output_num_filters=32,
        depthwise_filters=8,
        depthwise_stride=2,
        depthwise_residual=False,
        last_layer_filter=32,
        input_num_filters=8,
    )


def picture(height, width):
    rng = np.random.default_rng(0)
    return rng.uniform(-2, 2, (1, height, width, 3)).astype("float32")


@pytest.mark.once
@pytest.mark.parametrize("name", BUILDERS)
def test_builders(name):
    if keras.backend.backend() == "jax" and not name.startswith("DeepLabV3P"):
        pytest.skip("compiles long: the others are run elsewhere")
    options = {"filters": 4} if name == "UNet" else {}
    build = getattr(applications, name)
    model = build(resnet(), weights=None, classes=3, **options)
    image = picture(37, 60)
    logits = outputs(randomize(model), image)
    assert logits.shape == (1, 37, 60, 3)
    assert np.isfinite(logits).all()
    assert np.std(logits) > 0


VARIANTS = {
    "basic": lambda: resnet("basic_block_vd", stem=(3, 3, 3)),
    "bottleneck": resnet,
    "v2": lambda: resnet(pre_activation=True),
    "vd": lambda: resnet("bottleneck_block_vd", stem=(3, 3, 3)),
    "vgg": vgg,
    "densenet": densenet,
    "xception": xception,
    "csp_net": csp_net,
}


@pytest.mark.parametrize("name", VARIANTS)
def test_dense_maps_hold_the_strided_ones(name):
    """The invariant of the hole algorithm: see `set_output_stride`."""
    if keras.backend.backend() != "torch" and name != "vd":
        pytest.skip(f"{name} is checked on torch")
    model = randomize(VARIANTS[name]())
    strides = max(pyramid(model))
    dense = set_output_stride(model, 8)
    for size in ((64, 96), (75, 49)):
        x = picture(*size)
        old, new = outputs(model, x), outputs(dense, x)
        k = strides // 8
        assert relative_difference(new[:, ::k, ::k], old) < 1e-5


@pytest.mark.once
def test_own_pyramid_is_taken():
    """Every stage's end, where the strides are inside of blocks."""
    model = resnet()
    levels = pyramid(model)
    assert list(levels) == [2, 4, 8, 16, 32]
    for stride, name in {4: "P2", 8: "P3", 16: "P4", 32: "P5"}.items():
        assert levels[stride] is model.pyramid_outputs[name]
    dense = set_output_stride(model, 8)
    assert dense.pyramid_outputs["P2"].shape[-1] == 256


@pytest.mark.once
def test_weights_are_kept():
    backbone = resnet(pre_activation=True)
    model = applications.DeepLabV3(backbone, weights=None, classes=3)
    for layer in backbone.layers:
        if layer.weights:
            kept = model.get_layer(layer.name).get_weights()
            for old, new in zip(layer.get_weights(), kept, strict=True):
                np.testing.assert_array_equal(new, old)


@pytest.mark.once
def test_saved_model_needs_no_keras_hub(tmp_path):
    model = applications.DeepLabV3Plus(
        resnet(pre_activation=True), weights=None, classes=3
    )
    image = picture(37, 60)
    expected = outputs(model, image)
    path = tmp_path / "model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    modules = set(found(config, "module"))
    assert "keras.layers" in modules
    assert not any(str(name).startswith("keras_hub") for name in modules)
    loaded = keras.saving.load_model(path, safe_mode=True)
    np.testing.assert_array_equal(outputs(loaded, image), expected)


def found(config, key):
    """Every value of a key in a nested config."""
    if isinstance(config, dict):
        if key in config:
            yield config[key]
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from found(part, key)


@pytest.mark.once
def test_image_converter_goes_in_front():
    """What stands outside of a preset is given as the input tensor."""
    backbone = resnet()
    image = keras.Input((None, None, 3))
    converted = keras.layers.Rescaling(1 / 127.5, -1.0)(image)
    model = applications.FCN32s(
        backbone, weights=None, classes=3, input_tensor=converted
    )
    plain = applications.FCN32s(backbone, weights=None, classes=3)
    randomize(model)
    plain.set_weights(model.get_weights())
    x = 127.5 * picture(37, 60)
    np.testing.assert_allclose(
        outputs(model, x),
        outputs(plain, x / np.float32(127.5) - 1),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.once
def test_blocks_of_one_layer():
    """Their strides are measured; what can't be made dense is named."""
    backbone = mobilenet()
    levels = pyramid(backbone)
    assert list(levels) == [2, 4, 8, 16, 32]
    model = applications.FCN8s(backbone, weights=None, classes=3)
    assert outputs(model, picture(37, 60)).shape == (1, 37, 60, 3)
    with pytest.raises(ValueError, match="'block_0_0' .*can't be carried"):
        applications.DeepLabV3(backbone, weights=None, classes=3)
