"""Entropy by SciPy, and void where a network is unsure."""

import keras
import numpy as np
import pytest

from keras_seg.inference import Tiles
from keras_seg.inference import predict
from keras_seg.inference import rank

stats = pytest.importorskip("scipy.stats")


def network(classes, activation=None):
    """Scores that a pixel's colors decide alone."""
    image = keras.Input((None, None, 3))
    values = np.linspace(-3, 3, 3 * classes).reshape(1, 1, 3, classes)
    scores = keras.layers.Conv2D(classes, 1, activation=activation)
    model = keras.Model(image, scores(keras.layers.Rescaling(1 / 255)(image)))
    scores.set_weights([values, np.linspace(0, 1, classes)])
    return model


def colors(count=3, size=(40, 48)):
    """One darker, and so less sure, than the other."""
    draw = np.random.default_rng(0)
    return [
        (draw.integers(0, 256, (*size, 3)) // (2 * k + 1)).astype("uint8")
        for k in range(count)
    ]


def probabilities(model, image):
    (found,) = predict(model, [image], probabilities=True)
    return found.probabilities.astype("float64")


@pytest.mark.parametrize("tiles", [None, Tiles(32, overlap=0)])
def test_entropy(tiles):
    images, model = colors(), network(4)
    found = rank(model, images, tiles)
    for one in found:
        p = probabilities(model, images[one.source])
        expected = stats.entropy(p, axis=-1, base=4).mean()
        assert one.entropy == pytest.approx(expected, abs=1e-3)
        np.testing.assert_allclose(
            one.probabilities, p.mean(axis=(0, 1)), atol=1e-3
        )
    entropies = [one.entropy for one in found]
    assert entropies == sorted(entropies, reverse=True)
    assert len(set(entropies)) == 3


def test_entropy_of_labels_and_of_one_score():
    images = colors(2)
    labels = network(3, "sigmoid")
    for one in rank(labels, images):
        p = probabilities(labels, images[one.source])
        each = stats.entropy(np.stack([p, 1 - p]), axis=0, base=2)
        assert one.entropy == pytest.approx(each.mean(), abs=1e-3)
    single = network(1, "sigmoid")
    for one in rank(single, images):
        p = probabilities(single, images[one.source])
        expected = stats.entropy(p, axis=-1, base=2).mean()
        assert one.entropy == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize("tiles", [None, Tiles(32, overlap=0)])
def test_unsure_pixels_are_void(classes, tiles):
    model = network(classes)
    image = colors(1)[0]
    ids, sure = (
        predict(model, image, tiles, least=least) for least in (None, 0.8)
    )
    p = probabilities(model, image)
    of_ids = np.take_along_axis(p, ids[..., None].astype(int), -1)[..., 0]
    known = np.abs(of_ids - 0.8) > 1e-3  # float16
    expected = np.where(of_ids >= 0.8, ids, 255)
    assert 0 < (sure == 255).mean() < 1
    np.testing.assert_array_equal(sure[known], expected[known])
    assert (predict(model, image, tiles, least=0.0) == ids).all()


def test_unsure_labels_are_void_each_by_itself():
    model, image = network(3, "sigmoid"), colors(1)[0]
    ids, sure = (predict(model, image, least=x) for x in (None, 0.8))
    p = probabilities(model, image)
    largest = np.maximum(p, 1 - p)
    known = np.abs(largest - 0.8) > 1e-3
    expected = np.where(largest >= 0.8, ids, 255)
    np.testing.assert_array_equal(sure[known], expected[known])
    assert ((sure == 255).any(-1) & (sure < 255).any(-1)).any()


@pytest.mark.once
def test_refused():
    image = colors(1)[0]
    with pytest.raises(ValueError, match="`least` makes pixels void, 255"):
        predict(network(256), image, least=0.9)
    with pytest.raises(ValueError, match="`least` must be"):
        predict(network(2), image, least=1.5)
