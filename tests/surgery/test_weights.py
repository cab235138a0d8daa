import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import FCN8s
from keras_seg.surgery import decimate
from keras_seg.surgery import inflate_input
from tests.networks import application
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference


def head(rate=4, norm=False):
    """fc6, fc7 and fc8 of VGG16, with few channels."""
    x = image = keras.Input((None, None, 3))
    x = layers.Conv2D(
        8, 7, padding="same", dilation_rate=rate, activation="relu", name="fc6"
    )(x)
    if norm:
        x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Conv2D(6, 1, activation="relu", name="fc7")(x)
    x = layers.Conv2D(2, 1, name="fc8")(x)
    return randomize(keras.Model(image, x))


def maps(height=27, width=31):
    rng = np.random.default_rng(1)
    return rng.normal(size=(1, height, width, 3)).astype("float32")


def masked(model, name, taps, filters=None):
    """The same network with zeros for what is dropped."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layer = copy.get_layer(name)
    kernel, bias = layer.get_weights()
    mask = np.zeros(kernel.shape[:2] + (1, 1))
    mask[np.ix_(taps, taps)] = 1
    if filters is not None:
        mask = mask * np.isin(np.arange(kernel.shape[3]), filters)
        bias = bias * np.isin(np.arange(len(bias)), filters)
    layer.set_weights([kernel * mask, bias])
    return copy


# papers.md 11.4: 3×3 at rate 12 and 4×4 at rate 8 are the 7×7 at rate 4 with
# the other taps dropped.
@pytest.mark.parametrize(
    "kernel_size, rate, taps", [(3, 12, [0, 3, 6]), (4, 8, [0, 2, 4, 6])]
)
def test_equals_the_kernel_with_zeros(kernel_size, rate, taps):
    model, x = head(), maps()
    small = decimate(model, "fc6", kernel_size=kernel_size)
    layer = small.get_layer("fc6")
    assert layer.kernel_size == (kernel_size, kernel_size)
    assert layer.dilation_rate == (rate, rate)
    expected = outputs(masked(model, "fc6", taps), x)
    assert relative_difference(outputs(small, x), expected) < 1e-5


@pytest.mark.parametrize("norm", [False, True])
def test_filters_and_what_belongs_to_them(norm):
    """The next layer forgets exactly the inputs that are gone."""
    model, x = head(norm=norm), maps()
    small = decimate(model, "fc6", kernel_size=3, filters=5, seed=3)
    kernel = model.get_layer("fc6").get_weights()[0][::3, ::3]
    kept = [
        channel
        for channel in range(8)
        if any(
            np.array_equal(kernel[..., channel], other)
            for other in np.moveaxis(
                small.get_layer("fc6").get_weights()[0], -1, 0
            )
        )
    ]
    assert len(kept) == 5
    gone = masked(model, "fc6", [0, 3, 6], kept)
    weights, bias = gone.get_layer("fc7").get_weights()
    dropped = np.setdiff1d(np.arange(8), kept)
    weights[:, :, dropped] = 0
    gone.get_layer("fc7").set_weights([weights, bias])
    assert relative_difference(outputs(small, x), outputs(gone, x)) < 1e-5
    again = decimate(small, "fc7", filters=4)
    assert again.get_layer("fc8").kernel.shape == (1, 1, 4, 2)


def test_another_rate():
    small = decimate(head(), "fc6", kernel_size=4, dilation_rate=4)
    assert small.get_layer("fc6").dilation_rate == (4, 4)


def test_bad_arguments():
    model = head()
    for arguments, message in (
        ({"name": "fc9"}, "Received: name='fc9'"),
        ({"name": "fc6", "kernel_size": 5}, "Received: kernel_size=5"),
        ({"name": "fc6", "kernel_size": 9}, "Received: kernel_size=9"),
        ({"name": "fc6", "filters": 9}, "Received: filters=9"),
        ({"name": "fc6", "filters": 0}, "Received: filters=0"),
    ):
        with pytest.raises(ValueError, match=message):
            decimate(model, **arguments)
    pooled = layers.GlobalAveragePooling2D(name="gap")(model.output)
    with pytest.raises(ValueError, match="'gap'.*behind 'fc8'"):
        decimate(keras.Model(model.input, pooled), "fc8", filters=1)


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
