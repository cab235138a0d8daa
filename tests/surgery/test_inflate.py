import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import FCN8s
from keras_seg.surgery import inflate_input
from tests.networks import application
from tests.networks import outputs


def small(**options):
    options = {"input_shape": (64, 64, 3), "include_top": False, **options}
    return application("MobileNetV2", alpha=0.35, **options)


@pytest.mark.once
def test_new_channels_change_nothing_at_first():
    model = small()
    inflated = inflate_input(model, 5)
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, 64, 64, 5)).astype("float32")
    np.testing.assert_allclose(
        outputs(inflated, image),
        outputs(model, image[..., :3]),
        rtol=1e-5,
        atol=1e-5,
    )
    old, new = (
        m.get_layer("Conv1").get_weights()[0] for m in (model, inflated)
    )
    np.testing.assert_array_equal(new[:, :, :3], old)
    assert not new[:, :, 3:].any()
    names = [layer.name for layer in model.layers]
    assert [layer.name for layer in inflated.layers][1:] == names[1:]


@pytest.mark.once
def test_fewer_channels():
    model = small()
    kernel = inflate_input(model, 2).get_layer("Conv1").get_weights()[0]
    np.testing.assert_array_equal(
        kernel, model.get_layer("Conv1").get_weights()[0][:, :, :2]
    )


@pytest.mark.once
def test_what_is_made_for_the_channels_is_refused_by_name():
    image = keras.Input((8, 8, 3))
    x = layers.Normalization(mean=[1, 2, 3], variance=[1, 1, 1], name="norm")
    model = keras.Model(image, layers.Conv2D(2, 3)(x(image)))
    with pytest.raises(ValueError, match="'norm'.*made for the channels"):
        inflate_input(model, 4)
    with pytest.raises(ValueError, match="Received: channels=0"):
        inflate_input(small(), 0)


@pytest.mark.once
def test_builders_take_gray_and_infrared():
    """A gray image is the color image with three equal channels."""
    backbone = small()
    rgb, gray, more = (
        FCN8s(backbone, classes=2, input_shape=(None, None, channels))
        for channels in (3, 1, 4)
    )
    rng = np.random.default_rng(1)
    for model in (rgb, gray, more):
        for layer in model.layers:
            if layer.name.startswith("score_") and layer.weights:
                shapes = [w.shape for w in layer.weights]
                draw = np.random.default_rng(2).normal
                layer.set_weights([draw(size=shape) for shape in shapes])
    image = rng.uniform(0, 255, (1, 33, 40, 1)).astype("float32")
    expected = outputs(rgb, np.repeat(image, 3, -1))
    assert np.std(expected) > 0
    np.testing.assert_allclose(outputs(gray, image), expected, rtol=1e-4)
    four = np.concatenate([np.repeat(image, 3, -1), 255 - image], -1)
    np.testing.assert_allclose(outputs(more, four), expected, rtol=1e-4)
