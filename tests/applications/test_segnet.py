import functools

import keras
import numpy as np
import pytest

from keras_seg.applications import SegNet
from keras_seg.applications import SegNetBasic
from keras_seg.layers import LocalResponseNormalization
from tests.model_check import check_model
from tests.networks import application
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import without_values
from tests.unpooling_check import check_unpooling


@pytest.mark.parametrize(
    "build",
    [
        functools.partial(SegNet, weights=None, filters=3),
        functools.partial(SegNetBasic, filters=2),
    ],
    ids=["segnet", "basic"],
)
def test_model(build, tmp_path, parity):
    check_model(build, tmp_path, parity)


@pytest.mark.once
def test_parameters_of_the_paper():
    """papers.md 9.1, and 9.2: four times 7·7·64·64 + 64, and so on."""
    with without_values():
        model = SegNet(weights=None)
    count = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert count == 29_449_355
    model = SegNetBasic()
    count = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert count == 1_415_563 + 1_024
    convolutions = [
        x for x in model.layers if isinstance(x, keras.layers.Conv2D)
    ]
    assert len(convolutions) == 9
    assert sum(x.count_params() for x in convolutions) == 1_415_563


@pytest.mark.once
def test_sizes_of_the_paper():
    """papers.md 9.1: un-pooled to 23×30, 45×60, 90×120, 180×240, 360×480."""
    model = SegNet(weights=None, filters=2, input_shape=(360, 480, 3))
    sizes = [(23, 30), (45, 60), (90, 120), (180, 240), (360, 480)]
    for block, size in zip((5, 4, 3, 2, 1), sizes, strict=True):
        assert model.get_layer(f"unpool{block}").output.shape[1:3] == size
    assert model.get_layer("block5_pool").output[0].shape[1:3] == (12, 15)


def test_layers_of_segnet_basic():
    """papers.md 9.2: the input is normalized; no ReLU in the decoder."""
    model = SegNetBasic(filters=2, input_shape=(360, 480, 3))
    first = model.layers[2]
    assert isinstance(first, LocalResponseNormalization)
    assert (first.size, first.alpha, first.beta, first.k) == (5, 1e-4, 0.75, 1)
    relus = [x for x in model.layers if isinstance(x, keras.layers.ReLU)]
    assert [x.name for x in relus] == [
        f"block{n}_conv1_relu" for n in range(1, 5)
    ]
    # papers.md 4.2: 360×480 goes 180×240, 90×120, 45×60, 23×30.
    sizes = [(45, 60), (90, 120), (180, 240), (360, 480)]
    for block, size in zip((4, 3, 2, 1), sizes, strict=True):
        assert model.get_layer(f"unpool{block}").output.shape[1:3] == size
    assert model.get_layer("block4_pool").output[0].shape[1:3] == (23, 30)


def test_receptive_field_of_the_paper():
    """papers.md 9.2: 106 = 1 + sum of (6 + 1) · s for s in 1, 2, 4, 8.

    A convolution of 7 adds 6 steps of its stride, a pool of 2 one. With
    kernels of ones, a single bright pixel makes every value that sees it
    positive, and leaves the others at zero.
    """
    assert 1 + sum((6 + 1) * stride for stride in (1, 2, 4, 8)) == 106
    model = SegNetBasic(filters=1, input_shape=(160, 1, 3))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            layer.set_weights([np.ones_like(kernel), np.zeros_like(bias)])
    encoder = keras.Model(model.input, model.get_layer("block4_pool").output[0])
    # Image n is dark but for its row n.
    pictures = np.eye(160, dtype="float32").reshape(160, 160, 1, 1)
    maps = outputs(encoder, 255 * np.repeat(pictures, 3, axis=-1))
    assert maps.shape == (160, 10, 1, 1)
    (rows,) = np.nonzero(maps[:, 4, 0, 0])
    # From 4 · 16 on, 3 · (1 + 2 + 4 + 8) more before and as many behind.
    np.testing.assert_array_equal(rows, np.arange(64 - 45, 64 + 16 + 45))
    assert len(rows) == 106


@pytest.mark.parametrize(
    ("model", "block"),
    [
        (functools.partial(SegNet, weights=None, filters=2), 4),
        (functools.partial(SegNetBasic, filters=3, classes=2), 2),
    ],
)
def test_places_pass_and_nothing_else(model, block):
    """A value is un-pooled to where its maximum was, zeros elsewhere."""
    image = np.random.default_rng(0).uniform(0, 255, (1, 37, 46, 3))
    check_unpooling(randomize(model()), block, image)


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


def test_other_channels_and_an_input_tensor():
    image = keras.Input((None, None, 5))
    model = SegNetBasic(input_tensor=image * 255.0, filters=2)
    assert model.input is image
    assert model.get_layer("block1_conv1").kernel.shape == (7, 7, 5, 2)
    assert model.compute_output_shape((1, 5, 4, 5)) == (1, 5, 4, 11)


def test_frozen_batch_norm():
    """Biases and kernels of 9 convolutions are what is left to train."""
    model = SegNetBasic(filters=2, freeze_batch_norm=True)
    assert len(model.trainable_weights) == 2 * 9


@pytest.mark.once
def test_bad_arguments(tmp_path):
    path = tmp_path / "some.h5"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="Received: weights=.*filters=8"):
        SegNet(weights=str(path), filters=8)
    with pytest.raises(ValueError, match="Received: classes=0"):
        SegNet(weights=None, classes=0)
    with pytest.raises(ValueError, match="Received: classes=0"):
        SegNetBasic(classes=0)
    with pytest.raises(ValueError, match="Received: filters=1.5"):
        SegNetBasic(filters=1.5)
    with pytest.raises(ValueError, match="Received: data_format='NCHW'"):
        SegNetBasic(data_format="NCHW")
