import keras
import numpy as np
import pytest

from keras_seg.applications import SegNet
from keras_seg.layers import MaxUnpool
from tests.model_check import check_model
from tests.networks import application
from tests.networks import outputs
from tests.networks import randomize


def test_model(tmp_path, parity):
    def build(**options):
        return SegNet(weights=None, filters=3, **options)

    check_model(build, tmp_path, parity)


@pytest.mark.once
def test_parameters_of_the_paper():
    """papers.md 9.1."""
    model = SegNet(weights=None)
    count = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert count == 29_449_355


@pytest.mark.once
def test_sizes_of_the_paper():
    """papers.md 9.1: un-pooled to 23×30, 45×60, 90×120, 180×240, 360×480."""
    model = SegNet(weights=None, filters=2, input_shape=(360, 480, 3))
    sizes = [(23, 30), (45, 60), (90, 120), (180, 240), (360, 480)]
    for block, size in zip((5, 4, 3, 2, 1), sizes, strict=True):
        assert model.get_layer(f"unpool{block}").output.shape[1:3] == size
    assert model.get_layer("block5_pool").output[0].shape[1:3] == (12, 15)


def test_places_pass_and_nothing_else():
    """A value is un-pooled to where its maximum was, zeros elsewhere."""
    model = randomize(SegNet(weights=None, filters=2))
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (1, 37, 46, 3)).astype("float32")
    names = ("block4_conv3_relu", "unpool4", "decoder5_conv1_relu")
    before, unpooled, values = (
        outputs(keras.Model(model.input, model.get_layer(name).output), x)
        for name in names
    )
    switches = outputs(
        keras.Model(model.input, model.get_layer("block4_pool").output[1]), x
    )
    assert unpooled.shape == before.shape == (1, 5, 6, 16)
    flat = np.zeros((30, 16))
    np.put_along_axis(
        flat, switches.reshape(-1, 16), values.reshape(-1, 16), axis=0
    )
    np.testing.assert_allclose(unpooled.reshape(30, 16), flat, rtol=1e-6)
    # Only the pools' places and values go into the decoder.
    for layer in model.layers:
        if isinstance(layer, MaxUnpool):
            inputs = keras.tree.flatten(layer.input)
            assert "int" in inputs[1].dtype


@pytest.mark.once
def test_encoder_begins_from_vgg16(tmp_path):
    vgg = application("VGG16", include_top=False)
    vgg.save_weights(tmp_path / "vgg.weights.h5")
    model = SegNet(weights=str(tmp_path / "vgg.weights.h5"))
    for layer in vgg.layers:
        for ours, theirs in zip(
            model.get_layer(layer.name).get_weights() if layer.weights else (),
            layer.get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.once
def test_bad_arguments(tmp_path):
    path = tmp_path / "some.h5"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="Received: weights=.*filters=8"):
        SegNet(weights=str(path), filters=8)
    with pytest.raises(ValueError, match="Received: classes=0"):
        SegNet(weights=None, classes=0)
