"""Networks of one size on images of other sizes, and exported files."""

import keras
import numpy as np
import pytest

from keras_seg import surgery
from keras_seg.applications import UNet
from keras_seg.data import ClassTable
from keras_seg.inference import Tiles
from keras_seg.inference import evaluate
from keras_seg.inference import predict
from keras_seg.inference.one_size import padded
from keras_seg.inference.one_size import predict_one_size
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

RNG = np.random.default_rng(0)
SIZE = (32, 48)


def fixed(model, size=SIZE):
    """The model, for images of one size."""
    image = keras.Input((*size, 3))
    return keras.Model(image, model(image))


def narrow():
    """A network whose pixels see 2 to each side, less than any margin."""
    image = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    x = keras.layers.Conv2D(4, 3, padding="same")(x)
    return randomize(keras.Model(image, x))


def scores_of(model, image):
    """The scores that the ids are made of."""
    return predict_one_size(model, image, keep=lambda scores: scores)[1]


def test_the_whole_image_is_what_its_tiles_are():
    """Exactly, where a pixel sees no further than the margin of a tile."""
    whole = narrow()
    model = fixed(whole)
    images = [
        RNG.integers(0, 256, (*size, 3)).astype("uint8")
        for size in ((32, 48), (75, 101), (33, 48), (20, 130))
    ]
    for image in images[1:3]:
        expected = outputs(whole, image[None].astype("f4"))[0]
        assert relative_difference(scores_of(model, image), expected) < 2e-3
    for image, found in zip(images, predict(model, images), strict=True):
        expected = predict(whole, image)
        if image.shape[0] < SIZE[0]:
            # What it is padded with counts below it.
            low = padded(model, image, SIZE)
            expected = predict(whole, low)[: image.shape[0]]
        assert (found.ids == expected).mean() > 0.999
        np.testing.assert_array_equal(predict(model, image), found.ids)
    masks = [predict(model, image) for image in images]
    table = ClassTable.default(4)
    pairs = list(zip(images, masks, strict=True))
    assert evaluate(model, pairs, class_table=table).scores.mean_iou == 1
    with pytest.raises(ValueError, match=r"takes 32×48 pixels, and gets tiles"):
        predict(model, images[1], Tiles(64, overlap=32))


def test_a_network_that_shrinks_sees_the_scale_of_the_whole_image():
    """Smooth images, so that only the scale and the borders count."""
    whole = surgery.shrink_input(narrow(), 40)
    rows, columns, _ = np.mgrid[:90, :120, :3]
    wave = np.sin(rows / 9) * np.cos(columns / 7)
    image = (127 * (1 + wave)).astype("uint8")
    expected = outputs(whole, image[None].astype("f4"))[0]

    def difference(network):
        found = scores_of(network, image)
        return abs(found - expected).mean() / abs(expected).mean()

    for size in ((64, 96), (32, 32)):
        network = fixed(whole, size)
        each_by_itself = difference(network)
        network.longest_side = 40  # As an exported file knows it.
        assert difference(network) < 0.02
        assert each_by_itself > 2 * difference(network)


@pytest.mark.once
def test_an_exported_file(tmp_path):
    import keras_seg

    if keras.config.backend() == "jax":
        pytest.skip("JAX does not write ONNX.")
    whole = randomize(UNet(classes=3, filters=4, depth=2))
    keras_seg.export(whole, tmp_path / "a.onnx", size=SIZE)
    exported = keras_seg.deployment.ExportedModel(tmp_path / "a.onnx")
    model = fixed(whole)
    image = RNG.integers(0, 256, (70, 61, 3)).astype("uint8")
    same = predict(exported, image) == predict(model, image)
    assert same.mean() > 0.999
