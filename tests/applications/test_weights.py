import itertools

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from keras_seg.applications import DeepLabV2
from keras_seg.applications import DeepLabV3
from keras_seg.applications import FCN32s
from keras_seg.applications import SegNet
from keras_seg.applications import UNet
from keras_seg.applications.backbones import encoder
from keras_seg.applications.backbones import preprocessing_mode
from tests.networks import application


def mobilenet(weights):
    return encoder(
        "mobilenet_v2",
        weights,
        include_preprocessing=True,
        data_format="channels_last",
    )[0]


def assert_same_weights(model, original):
    kept = {variable.path: variable for variable in original.variables}
    for variable in model.variables:
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(variable),
            keras.ops.convert_to_numpy(kept[variable.path]),
        )


@pytest.mark.once
def test_files_with_the_classifier(tmp_path):
    original = application("MobileNetV2")
    path = tmp_path / "mobilenet.weights.h5"
    original.save_weights(path)
    assert_same_weights(mobilenet(str(path)), original)


def test_files_without_the_classifier_reach_the_network(tmp_path):
    original = application("MobileNetV2", include_top=False)
    path = tmp_path / "mobilenet.weights.h5"
    original.save_weights(path)
    model = FCN32s("mobilenet_v2", weights=str(path), classes=2)
    for name in ("Conv1", "block_13_depthwise", "Conv_1_bn"):
        for ours, theirs in zip(
            model.get_layer(name).get_weights(),
            original.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_real_weights(data_dir):
    folder = data_dir / "weights"
    without = mobilenet(folder / "mobilenet_v2_1.0_224_imagenet_notop.h5")
    complete = mobilenet(
        folder / "mobilenet_v2_1.0_224_imagenet_top.weights.h5"
    )
    for ours, theirs in zip(
        without.get_weights(), complete.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.once
def test_imagenet_weights_come_through_keras_applications(
    tmp_path, monkeypatch
):
    """The download is replaced by a file of the layout Keras has."""
    original = application("MobileNetV2", include_top=False)
    path = tmp_path / "mobilenet.weights.h5"
    original.save_weights(path)
    asked = []

    def get_file(name, origin, **options):
        asked.append(origin)
        return str(path)

    module = keras.src.applications.mobilenet_v2
    monkeypatch.setattr(module.file_utils, "get_file", get_file)
    assert_same_weights(mobilenet("imagenet"), original)
    assert "mobilenet_v2_weights_tf_dim_ordering" in asked[0]


@pytest.mark.once
@pytest.mark.parametrize(
    "name, builders, include_top",
    [
        pytest.param("VGG16", [FCN32s], True, marks=pytest.mark.slow),
        ("ResNet50", [DeepLabV2, DeepLabV3], False),
    ],
)
def test_imagenet_weights_pass_the_surgery(
    name, builders, include_top, tmp_path, monkeypatch
):
    """Random weights in a file of the cache's own layout, to the bit."""
    original = application(name, include_top=include_top)
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, original)

    def get_file(file_name, origin, **options):
        assert file_name.startswith(name.lower())
        assert ("notop" in file_name) != include_top
        return str(path)

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", get_file)
    models = [builder(name) for builder in builders]
    kept = [x for x in original.layers if x.weights and x.name != "predictions"]
    assert len(kept) >= 15
    for model, layer in itertools.product(models, kept):
        for ours, theirs in zip(
            model.get_layer(layer.name).get_weights(),
            layer.get_weights(),
            strict=True,
        ):
            # Fully connected weights are a convolution's now.
            np.testing.assert_array_equal(ours.ravel(), theirs.ravel())


@pytest.mark.once
def test_offline(monkeypatch):
    def get_file(name, origin, **options):
        raise Exception(f"URL fetch failure on {origin}: None -- unreachable")

    module = keras.src.applications.mobilenet_v2
    monkeypatch.setattr(module.file_utils, "get_file", get_file)
    with pytest.raises(OSError) as error:
        FCN32s("mobilenet_v2")
    assert str(error.value).startswith(
        "The ImageNet weights of MobileNetV2 could not be downloaded, and are "
        "not in the Keras cache. Pass weights=PATH with a file of them, or "
        "weights=None to start from random ones. (URL fetch failure on "
    )


@pytest.mark.once
def test_other_files(tmp_path):
    text = tmp_path / "weights.h5"
    text.write_text("no weights")
    with pytest.raises(ValueError, match="10 bytes, is none or is incomplete"):
        mobilenet(str(text))
    other = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save_weights(
        other
    )
    with pytest.raises(ValueError, match="weights of MobileNetV2, with or"):
        mobilenet(str(other))
    with pytest.raises(ValueError, match="a model keeps its own"):
        FCN32s(application("MobileNetV2"), weights=str(other))


@pytest.mark.once
def test_a_whole_model_is_not_weights_of_a_backbone(tmp_path):
    """One reason, whether the builder has a backbone or not."""
    path = tmp_path / "best.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(path)
    for build in (
        lambda: UNet(None, weights=str(path)),
        lambda: FCN32s("mobilenet_v2", weights=path),
        lambda: SegNet(weights=path),
    ):
        with pytest.raises(ValueError, match="best.keras is a whole saved"):
            build()


@pytest.mark.once
# What `keras.applications` documents for each family.
@pytest.mark.parametrize(
    "name, mode",
    [
        ("VGG19", "caffe"),
        ("ResNet152", "caffe"),
        ("ResNet152V2", "tf"),
        ("MobileNet", "tf"),
        ("MobileNetV2", "tf"),
        ("MobileNetV3Large", None),
        ("Xception", "tf"),
        ("InceptionResNetV2", "tf"),
        ("NASNetLarge", "tf"),
        ("DenseNet201", "torch"),
        ("EfficientNetB7", None),
        ("EfficientNetV2S", None),
        ("ConvNeXtBase", None),
    ],
)
def test_preprocessing_modes(name, mode):
    assert preprocessing_mode(name) == mode
    if mode is not None:
        builder = getattr(keras.applications, name)
        module = __import__(builder.__module__, fromlist=["preprocess_input"])
        x = np.random.default_rng(0).uniform(0, 255, (1, 2, 2, 3))
        expected = keras.applications.imagenet_utils.preprocess_input(
            x.copy(), mode=mode
        )
        np.testing.assert_allclose(module.preprocess_input(x.copy()), expected)
