import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.applications import FCN8s
from keras_seg.inference import Tiles
from keras_seg.inference import predict
from keras_seg.inference.scores import longest_side_of
from keras_seg.ops.resize import resize
from keras_seg.surgery import average_views
from keras_seg.surgery import shrink_input
from keras_seg.surgery.tta import without_shrinking
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

RNG = np.random.default_rng(0)


def network(data_format="channels_last", **options):
    """Two convolutions, which see left and right differently."""
    first = data_format == "channels_first"
    image = keras.Input((2, None, None) if first else (None, None, 2))
    conv = {"padding": "same", "data_format": data_format}
    x = keras.layers.Conv2D(4, 3, activation="relu", **conv)(image)
    x = keras.layers.Conv2D(3, 3, **conv)(x)
    if first:
        x = keras.layers.Permute((2, 3, 1))(x)
    return randomize(keras.Model(image, x))


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def picture(height, width, channels=2):
    return RNG.normal(size=(1, height, width, channels)).astype("float32")


def by_hand(model, x, scales, mirror, merge):
    """The definition, view by view."""
    views = []
    for scale in scales:
        size = [int((n - 1) * scale) + 1 for n in x.shape[1:3]]
        scaled = np.asarray(
            keras.ops.convert_to_numpy(resize(x, size, align_corners=True))
        )
        both = [outputs(model, scaled)]
        if mirror:
            flipped = np.ascontiguousarray(scaled[:, :, ::-1])
            both.append(outputs(model, flipped)[:, :, ::-1])
        for y in both:
            if merge == "mean":
                y = softmax(y)
            back = resize(
                np.ascontiguousarray(y), x.shape[1:3], align_corners=True
            )
            views.append(keras.ops.convert_to_numpy(back))
    if merge == "max":
        return np.max(views, axis=0)
    return np.log(np.mean(views, axis=0))


@pytest.mark.parametrize(
    ("scales", "mirror", "merge"),
    [
        ((1.0,), True, "mean"),
        ((0.5, 1, 1.75), False, "max"),
        ((0.5, 1, 1.75), True, "mean"),
        ((0.5, 1, 1.75), True, "max"),
    ],
)
def test_is_the_definition(scales, mirror, merge):
    model = network()
    x = picture(11, 14)
    ours = outputs(average_views(model, scales, mirror, merge), x)
    expected = by_hand(model, x, scales, mirror, merge)
    assert relative_difference(ours, expected) < 1e-5


@given(st.integers(1, 12), st.integers(3, 12))
def test_a_mirrored_image_is_said_the_same_of(height, width):
    """Two columns at 0.75 are one, the left one."""
    model = average_views(network(), (1.0, 0.75), mirror=True)
    x = picture(height, width)
    flipped = np.ascontiguousarray(x[:, :, ::-1])
    expected = outputs(model, x)[:, :, ::-1]
    assert relative_difference(outputs(model, flipped), expected) < 1e-5


@given(st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_what_an_identity_says_survives(height, width, mirror):
    """A model that gives the image: whole scales keep its every pixel."""
    image = keras.Input((None, None, 4))
    echo = keras.Model(image, keras.layers.Activation("linear")(image))
    model = average_views(echo, (1, 2, 3), mirror, from_logits=True)
    ids = RNG.integers(0, 4, (1, height, width))
    found = outputs(model, np.eye(4, dtype="float32")[ids])
    np.testing.assert_array_equal(found.argmax(axis=-1), ids)


def test_channels_first():
    """On a CPU TensorFlow has no convolution in that format."""
    if keras.backend.backend() == "tensorflow":
        pytest.skip("no channels_first convolution on its CPU")
    first, last = network("channels_first"), network()
    last.set_weights(first.get_weights())
    x = picture(9, 12)
    options = {"scales": (1.0, 1.5), "mirror": True}
    expected = outputs(average_views(last, **options), x)
    found = outputs(
        average_views(first, **options),
        np.ascontiguousarray(np.moveaxis(x, -1, 1)),
    )
    assert relative_difference(found, expected) < 1e-5


def test_probabilities_stay_probabilities():
    model = network()
    y = keras.layers.Softmax()(model.output)
    p = keras.Model(model.input, y)
    x = picture(8, 9)
    found = outputs(average_views(p, (1, 0.5), from_logits=False), x)
    expected = outputs(average_views(model, (1, 0.5)), x)
    np.testing.assert_allclose(found, np.exp(expected), atol=1e-6)


@pytest.mark.once
def test_of_several_outputs_the_first():
    model = network()
    two = keras.Model(model.input, [model.output, -model.output])
    x = picture(5, 6)
    expected = outputs(average_views(model, mirror=True), x)
    found = outputs(average_views(two, mirror=True), x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.once
def test_shares_the_weights_and_can_be_saved(tmp_path):
    model = randomize(FCN8s("mobilenet_v2", weights=None, classes=3))
    views = average_views(model, (0.5, 1.0), mirror=True)
    assert views.count_params() == model.count_params()
    views.save(tmp_path / "views.keras")
    x = RNG.uniform(0, 255, (1, 40, 50, 3)).astype("float32")
    loaded = keras.saving.load_model(tmp_path / "views.keras")
    difference = relative_difference(outputs(loaded, x), outputs(views, x))
    assert difference < 1e-5


@pytest.mark.once
@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"scales": ()}, "`scales`"),
        ({"scales": (0.0,)}, "`scales`"),
        ({"scales": 2}, "`scales`"),
        ({"merge": "sum"}, "`merge`"),
    ],
)
def test_bad_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        average_views(network(), **arguments)


@pytest.mark.once
def test_one_size_has_no_other_scales():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    with pytest.raises(ValueError, match="any size"):
        average_views(model, (0.5,))
    assert average_views(model, mirror=True).output_shape == (None, 8, 8, 2)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_shrunk_input(data_format, tmp_path):
    """Shrunk, then the network, then enlarged: each by its own function."""
    model = network(data_format)
    shrunk = shrink_input(model, 24)
    shrunk.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    for size, small in (((50, 31), (24, 15)), ((24, 9), (24, 9))):
        x = picture(*size)
        seen = x if small == size else resize(x, small, antialias=True)
        seen = keras.ops.convert_to_numpy(seen)
        if data_format == "channels_first":
            x, seen = np.moveaxis(x, -1, 1), np.moveaxis(seen, -1, 1)
        expected = keras.ops.convert_to_numpy(
            resize(outputs(model, seen), size)
        )
        for other in (shrunk, loaded):
            found = outputs(other, x)
            assert found.shape == (1, *size, 3)
            np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.once
def test_views_are_of_the_shrunk_image():
    model = network()
    views = average_views(shrink_input(model, 24), (0.5, 1.0), mirror=True)
    expected = shrink_input(average_views(model, (0.5, 1.0), mirror=True), 24)
    x = picture(50, 31)
    np.testing.assert_allclose(
        outputs(views, x), outputs(expected, x), atol=1e-5
    )
    assert without_shrinking(views)[1] == longest_side_of(views) == 24
    assert longest_side_of(model) is None


@pytest.mark.once
def test_what_can_not_be_done_with_shrunk_images():
    shrunk = shrink_input(network(), 24)
    with pytest.raises(ValueError, match="shrinks images to 24 pixels"):
        predict(shrunk, np.zeros((64, 64, 2), "uint8"), Tiles(32, 0))
    image = keras.Input((32, 32, 2))
    model = keras.Model(image, keras.layers.Conv2D(3, 1)(image))
    with pytest.raises(ValueError, match="must take images of any size"):
        shrink_input(model, 24)


@pytest.mark.once
def test_padding_does_not_change_how_far_images_are_shrunk():
    shrunk = shrink_input(network(), 24)
    image = np.random.default_rng(0).integers(0, 255, (50, 41, 2), "uint8")
    (found,) = predict(shrunk, [image], bucket=32)
    np.testing.assert_array_equal(found.ids, predict(shrunk, image))
