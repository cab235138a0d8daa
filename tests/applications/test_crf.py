"""The fully connected CRF at the end of DeepLab v1 and v2."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_seg import dense_crf
from keras_seg import surgery
from keras_seg.applications import DeepLabV1
from keras_seg.applications import DeepLabV2
from tests.applications.test_deeplab_v2 import vgg
from tests.applications.test_deeplab_v3 import tiny_resnet
from tests.applications.test_fcn import tiny_vgg
from tests.networks import randomize

BACKEND = keras.backend.backend()


def photograph(height=11, width=14):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, height, width, 3)).astype("uint8")
    image[:, :, : width // 2] = image[:, :1, :1]
    return image


def pair(builder, backbone, crf=True, **options):
    """The network without and with the CRF, of the same weights."""
    plain = builder(backbone(), classes=3, **options)
    refined = builder(backbone(), classes=3, crf=crf, **options)
    randomize(plain)
    for layer in plain.layers:
        refined.get_layer(layer.name).set_weights(layer.get_weights())
    return plain, refined


@pytest.mark.parametrize(
    "builder, backbone, preset, options",
    [
        (
            DeepLabV1,
            tiny_vgg,
            "deeplab_v1",
            {"filters": 8, "kernel_size": 2, "dilation_rate": 4},
        ),
        pytest.param(
            DeepLabV2,
            vgg,
            "deeplab_v2_vgg16",
            {"hidden_filters": 8, "atrous_rates": (2,)},
            marks=pytest.mark.once,
        ),
        pytest.param(
            DeepLabV2,
            tiny_resnet,
            "deeplab_v2_resnet101",
            {"atrous_rates": (2,)},
            marks=pytest.mark.once,
        ),
    ],
)
def test_refines_logits_at_full_size(
    builder, backbone, preset, options, tmp_path
):
    plain, refined = pair(builder, backbone, **options)
    assert refined.get_layer("crf").name == "crf"
    image = photograph()
    logits = plain.predict(image, verbose=0)
    expected = dense_crf(image, logits, preset=preset, return_logits=True)
    expected = ops.convert_to_numpy(expected)
    got = refined.predict(image, verbose=0)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(got, expected, atol=1e-5 * scale)
    assert np.abs(got - logits).max() > 0.1
    if BACKEND == "torch" or preset == "deeplab_v1":
        refined.save(tmp_path / "model.keras")
        model = keras.saving.load_model(
            tmp_path / "model.keras", safe_mode=True
        )
        again = model.predict(image, verbose=0)
        np.testing.assert_allclose(again, got, atol=1e-5 * scale)


@pytest.mark.once
def test_formats_activation_and_surgery():
    image = photograph()
    plain, refined = pair(
        DeepLabV2,
        tiny_resnet,
        crf="deconvnet",
        atrous_rates=(2,),
        classifier_activation="softmax",
        auxiliary=True,
    )
    # Softmax comes last, and the auxiliary head is as it was.
    logits = keras.Model(plain.input, plain.get_layer("crop").output)
    expected = dense_crf(
        image, logits.predict(image, verbose=0), preset="deconvnet"
    )
    first, second = refined.predict(image, verbose=0)
    np.testing.assert_allclose(first, ops.convert_to_numpy(expected), atol=1e-5)
    np.testing.assert_array_equal(second, plain.predict(image, verbose=0)[1])

    # Surgery carries it like any part that sees the whole image.
    _, refined = pair(DeepLabV2, tiny_resnet, atrous_rates=(2,))
    denser = surgery.set_output_stride(refined, 4)
    back = surgery.set_output_stride(denser, 8)
    other = refined.predict(image, verbose=0)
    np.testing.assert_allclose(back.predict(image, verbose=0), other, atol=1e-4)
    assert np.abs(denser.predict(image, verbose=0) - other).max() > 1e-3
    more = surgery.replace_classes(refined, 5)
    assert more.predict(image, verbose=0).shape == (1, 11, 14, 5)


def test_bad_arguments():
    for builder, backbone in ((DeepLabV1, tiny_vgg), (DeepLabV2, tiny_resnet)):
        with pytest.raises(ValueError, match="include_preprocessing=False"):
            builder(backbone(), crf=True, include_preprocessing=False)
        with pytest.raises(ValueError, match="crf='deeplab'"):
            builder(backbone(), crf="deeplab")
