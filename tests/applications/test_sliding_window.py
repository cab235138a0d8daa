import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from keras_seg.applications import N4
from keras_seg.applications import SlidingWindow
from keras_seg.data import read_image
from keras_seg.layers import Conv
from keras_seg.surgery import replace_classes
from tests.model_check import check_model
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

FIRST = {"data_format": "channels_first"}


def windows_of(image, classifier):
    """Every window of the mirrored image."""
    height, width = classifier.input_shape[1:3]
    around = [(n // 2, n - 1 - n // 2) for n in (height, width)]
    mirrored = np.pad(image[0], (*around, (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(
        mirrored, (height, width), axis=(0, 1)
    )
    windows = np.moveaxis(windows, 2, -1)
    return windows.reshape(-1, *classifier.input_shape[1:])


def loop_over_windows(classifier, image):
    """The definition: the class of every window."""
    classes = outputs(classifier, windows_of(image, classifier))
    return classes.reshape(1, *image.shape[1:3], -1)


def picture(height, width, channels, high=255):
    rng = np.random.default_rng(height * width)
    shape = (1, height, width, channels)
    return rng.uniform(0, high, shape).astype("float32")


def tiny(classes=3, data_format="channels_last", window=15, **options):
    shape = (window, window, 3)
    if data_format == "channels_first":
        shape = (3, window, window)
    formats = {"data_format": data_format}
    image = keras.Input(shape)
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(4, 4, activation="relu", **formats)(x)
    x = layers.MaxPooling2D(2, **formats)(x)
    x = layers.Conv2D(6, 3, activation="relu", **formats)(x)
    x = layers.MaxPooling2D(2, **formats)(x)
    x = layers.Flatten(**formats)(x)
    x = layers.Dense(5, activation="relu")(x)
    x = layers.Dense(classes, **options)(x)
    return keras.Model(image, x)


def test_model(tmp_path, parity):
    def build(classes, data_format=None, **options):
        classifier = tiny(classes, data_format or "channels_last")
        return SlidingWindow(classifier, data_format=data_format, **options)

    check_model(build, tmp_path, parity)


@pytest.mark.parametrize("size", [(5, 7), (1, 2)])
def test_n4_is_slid_over_every_pixel(size, parity):
    """papers.md 6.5: patch-wise and dense agree to float precision."""
    classifier = randomize(N4())
    model = SlidingWindow(classifier)
    assert model.count_params() == 219290
    # The convolution that is fast without padding: see `Conv`.
    for name in ("conv1", "conv2", "conv3", "conv4", "fc1", "fc2"):
        assert type(model.get_layer(name)) is Conv
    image = picture(*size, 1)
    logits = outputs(model, image)
    expected = loop_over_windows(classifier, image)
    assert relative_difference(logits, expected) < 1e-5
    parity(f"sliding_window_n4_{size[0]}_{size[1]}", logits)


@pytest.mark.slow
def test_n4_at_1024_of_the_pixels_of_a_real_slice(data_dir):
    """All four corners, 252 more of the border, and 768 of anywhere."""
    path = data_dir / "isbi2012_em" / "images" / "20.png"
    image = read_image(path, channels=1)[None].astype("float32")
    assert image.shape == (1, 512, 512, 1)
    classifier = randomize(N4())
    logits = outputs(SlidingWindow(classifier), image)[0]
    border = np.ones((512, 512), bool)
    border[1:-1, 1:-1] = False
    rng = np.random.default_rng(0)
    pixels = np.concatenate(
        [
            [0, 511, 511 * 512, 512 * 512 - 1],
            rng.choice(np.flatnonzero(border), 252, replace=False),
            rng.choice(512 * 512, 768, replace=False),
        ]
    )
    padded = np.pad(image[0], ((47, 47), (47, 47), (0, 0)), mode="reflect")
    windows = np.stack(
        [
            padded[row : row + 95, column : column + 95]
            for row, column in zip(*np.divmod(pixels, 512), strict=True)
        ]
    )
    expected = np.concatenate(
        [outputs(classifier, windows[i : i + 128]) for i in range(0, 1024, 128)]
    )
    found = logits.reshape(-1, 2)[pixels]
    assert relative_difference(found, expected) < 1e-5


@st.composite
def classifiers(draw):
    """Windows of any size, kernels, strides and pools that fit into them."""
    window = (draw(st.integers(1, 14)), draw(st.integers(1, 14)))
    image = keras.Input((*window, 2))
    x = image
    for _ in range(draw(st.integers(0, 4))):
        most = min(x.shape[1:3])
        size = draw(st.integers(1, min(4, most)))
        stride = draw(st.integers(1, 3))
        kind = draw(st.sampled_from(["conv", "depthwise", "max", "average"]))
        if kind == "conv":
            x = layers.Conv2D(3, size, stride, activation="tanh")(x)
        elif kind == "depthwise":
            x = layers.DepthwiseConv2D(size, stride)(x)
        elif kind == "max":
            x = layers.MaxPooling2D(size, stride)(x)
        else:
            x = layers.AveragePooling2D(size, stride)(x)
        if draw(st.booleans()):
            x = layers.BatchNormalization()(x)
    head = draw(
        st.sampled_from(
            [
                layers.Flatten,
                layers.GlobalAveragePooling2D,
                layers.GlobalMaxPooling2D,
            ]
        )
    )
    x = layers.Dense(4, activation="tanh")(head()(x))
    return randomize(keras.Model(image, layers.Dense(3)(x)))


@given(classifiers(), st.integers(1, 12), st.integers(1, 12))
def test_any_classifier_is_slid_over_every_pixel(classifier, height, width):
    image = picture(height, width, 2, high=2)
    logits = outputs(SlidingWindow(classifier), image)
    expected = loop_over_windows(classifier, image)
    assert logits.shape == expected.shape
    gap = np.abs(logits - expected).max()
    assert gap < 1e-5 * np.abs(expected).max()


def test_a_step_on_an_image_is_one_on_its_windows():
    """With void pixels left out, of both."""
    classifier = randomize(tiny())
    model = SlidingWindow(classifier)
    for network in (classifier, model):
        network.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, ignore_class=255
            ),
        )
    start = classifier.get_weights()
    image = picture(6, 5, 3)
    mask = np.random.default_rng(0).integers(0, 3, (1, 6, 5))
    mask[:, :2, 1:] = 255
    known = mask.ravel() != 255
    windows = windows_of(image, classifier)[known]
    model.train_on_batch(image, mask)
    classifier.train_on_batch(windows, mask.ravel()[known])
    for before, one, other in zip(
        start, classifier.get_weights(), model.get_weights(), strict=True
    ):
        step = one - before
        gap = np.abs(other.reshape(one.shape) - one).max()
        assert gap < 1e-4 * np.abs(step).max()


def test_the_pixel_an_even_window_is_around():
    """Of 4×2, the one at row 2 and column 1."""
    window = keras.Input((4, 2, 1))
    x = layers.Flatten()(window)
    classifier = keras.Model(window, layers.Dense(1)(x))
    kernel = np.zeros((4, 2, 1))
    kernel[2, 1] = 1
    classifier.set_weights([kernel.reshape(8, 1), np.zeros(1)])
    image = picture(5, 3, 1)
    np.testing.assert_array_equal(
        outputs(SlidingWindow(classifier), image), image
    )


def test_inner_encoder_and_crops():
    inner = keras.Sequential(
        [
            keras.Input((13, 13, 3)),
            layers.Conv2D(4, 3, 2, activation="relu"),
            layers.Cropping2D(((1, 0), (0, 1))),
        ],
        name="crop",
    )
    window = keras.Input((13, 13, 3))
    x = inner(window)
    y = layers.Conv2D(4, 3, name="score")(x)
    x = layers.Add()([layers.Cropping2D(1, name="predictions")(x), y])
    x = layers.GlobalAveragePooling2D()(x)
    classifier = randomize(keras.Model(window, layers.Dense(3)(x)))
    listed = keras.Model([window], [classifier.output])
    # Names of its layers that the network has for its own are changed.
    model = SlidingWindow(listed, classifier_activation="softmax")
    for name in ("crop", "score", "predictions"):
        assert model.get_layer(f"classifier_{name}")
    image = picture(6, 5, 3, high=1)
    logits = loop_over_windows(classifier, image)
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(outputs(model, image), expected, rtol=1e-4)
    assert [layer.name for layer in classifier.layers][1] == "crop"


@pytest.mark.once
def test_default_is_n4_and_its_weights_load(tmp_path):
    model = SlidingWindow(input_shape=(None, None, 1))
    assert model.output_shape == (None, None, None, 2)
    assert model.count_params() == 219290
    assert SlidingWindow(**FIRST).input_shape == (None, 3, None, None)
    rgb = SlidingWindow(classes=4, include_preprocessing=False)
    assert rgb.input_shape == (None, None, None, 3)
    assert rgb.output_shape == (None, None, None, 4)
    assert "rescale" not in [layer.name for layer in rgb.layers]

    classifier = randomize(N4())
    path = tmp_path / "n4.weights.h5"
    classifier.save_weights(path)
    model = SlidingWindow(weights=path, input_shape=(None, None, 1))
    for trained, loaded in zip(classifier.weights, model.weights, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(loaded).ravel(),
            keras.ops.convert_to_numpy(trained).ravel(),
        )


@pytest.mark.once
def test_classes_of_the_classifier_and_others():
    classifier = randomize(tiny(3, activation="softmax"))
    # Its softmax is left off.
    image = picture(4, 5, 3)
    logits = outputs(SlidingWindow(classifier), image)
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = loop_over_windows(classifier, image)
    np.testing.assert_allclose(softmax, expected, rtol=1e-4)
    other = SlidingWindow(classifier, classes=5)
    assert other.output_shape == (None, None, None, 5)
    same = replace_classes(classifier, 5).weights[:-2]
    for kept, weight in zip(same, other.weights[:-2], strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(weight).ravel(),
            keras.ops.convert_to_numpy(kept).ravel(),
        )


@pytest.mark.once
def test_other_channels():
    classifier = randomize(tiny())
    image = picture(4, 5, 5)
    expected = outputs(SlidingWindow(classifier), image[..., :3])
    model = SlidingWindow(classifier, input_shape=(None, None, 5))
    np.testing.assert_allclose(outputs(model, image), expected, rtol=1e-5)
    gray = SlidingWindow(classifier, input_shape=(4, 5, 1))
    assert gray.output_shape == (None, 4, 5, 3)
    np.testing.assert_allclose(
        outputs(gray, image[..., :1]),
        outputs(SlidingWindow(classifier), np.repeat(image[..., :1], 3, -1)),
        rtol=1e-5,
    )


def sequential(*middle, window=12):
    return keras.Sequential(
        [
            keras.Input((window, window, 3)),
            *middle,
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


@pytest.mark.parametrize(
    "layer, reason",
    [
        (layers.Conv2D(2, 3, padding="same", name="it"), "it pads"),
        (layers.DepthwiseConv2D(2, padding="same", name="it"), "it pads"),
        (layers.MaxPooling2D(2, padding="same", name="it"), "it pads"),
        (layers.ZeroPadding2D(((0, 1), (0, 0)), name="it"), "it pads"),
        (layers.GroupNormalization(3, name="it"), "it takes in the whole map"),
        (layers.LayerNormalization((1, 2, 3), name="it"), "it takes in the wh"),
        (layers.RMSNormalization((1, 2, 3), name="it"), "it takes in the whol"),
        (layers.UnitNormalization((1, 2), name="it"), "it takes in the whole"),
        (layers.UpSampling2D(2, name="it"), "neither a convolution"),
    ],
)
def test_refuses_by_name(layer, reason):
    with pytest.raises(ValueError, match=f"'it' .*{reason}"):
        SlidingWindow(sequential(layer))
    inner = keras.Sequential([keras.Input((12, 12, 3)), layer])
    with pytest.raises(ValueError, match=f"'it' .*{reason}"):
        SlidingWindow(sequential(inner))


@pytest.mark.parametrize("inner", [False, True])
def test_refuses_operations_that_are_no_layers(inner):
    """Padding, and the standardisation of each window."""

    def pad(x):
        return keras.ops.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))

    def standardise(x):
        mean = keras.ops.mean(x, axis=(1, 2, 3), keepdims=True)
        return x - mean

    for operation, message in (
        (pad, "'pad.*' .*it pads"),
        (standardise, "'mean.*' .* takes in the whole map"),
    ):
        window = keras.Input((12, 12, 3))
        x = operation(window)
        if inner:
            x = keras.Model(window, x)(window)
        x = layers.Dense(2)(layers.Flatten()(x))
        with pytest.raises(ValueError, match=message):
            SlidingWindow(keras.Model(window, x))


def test_refuses_a_mean_of_the_window_inside():
    """A squeeze-and-excite block."""
    window = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3)(window)
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    x = layers.Multiply()([x, layers.Activation("sigmoid")(mean)])
    x = layers.Dense(2)(layers.Flatten()(x))
    with pytest.raises(ValueError, match="'squeeze' .* the whole map"):
        SlidingWindow(keras.Model(window, x))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 1, 2, padding="same", activation="tanh"),
        layers.RMSNormalization(),
        layers.UnitNormalization(),
    ],
)
def test_same_padding_that_pads_nothing_and_norms_of_a_pixel_are_fine(layer):
    classifier = randomize(sequential(layer))
    image = picture(3, 4, 3, high=1)
    assert (
        relative_difference(
            outputs(SlidingWindow(classifier), image),
            loop_over_windows(classifier, image),
        )
        < 1e-5
    )


def test_bad_arguments(tmp_path):
    classifier = tiny()
    with pytest.raises(ValueError, match="Received: classes=0"):
        SlidingWindow(classes=0)
    with pytest.raises(ValueError, match="Received: weights='imagenet'"):
        SlidingWindow(weights="imagenet")
    path = tmp_path / "n4.weights.h5"
    path.touch()
    with pytest.raises(ValueError, match="keeps its own. Received: weights="):
        SlidingWindow(classifier, weights=path)
    with pytest.raises(ValueError, match="Received: data_format='channels_f"):
        SlidingWindow(classifier, **FIRST)
    with pytest.raises(ValueError, match=r"fixed size.*input_shape=\(None, 9"):
        SlidingWindow(
            keras.Sequential(
                [keras.Input((None, 9, 3)), layers.GlobalMaxPooling2D()]
            )
        )
    pair = keras.Model(classifier.input, [classifier.output] * 2)
    with pytest.raises(ValueError, match="one output.* with 1 and 2"):
        SlidingWindow(pair)


def test_refuses_mixed_formats():
    window = keras.Input((3, 12, 12))
    x = layers.Conv2D(2, 3, **FIRST)(window)
    x = layers.Flatten(name="flat")(x)
    with pytest.raises(
        ValueError, match="'flat' .* is 'channels_last', that o"
    ):
        SlidingWindow(keras.Model(window, layers.Dense(2)(x)))
