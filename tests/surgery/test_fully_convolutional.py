import csv

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.surgery import fully_convolutional
from keras_seg.surgery import set_output_stride
from tests.networks import application
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference


def picture(height, width, channels=3):
    rng = np.random.default_rng(1)
    shape = (1, height, width, channels)
    return rng.uniform(-1, 1, shape).astype("float32")


def head_of(classifier, first):
    """The layers from `first` on, as a model on one window of the map."""
    names = [layer.name for layer in classifier.layers]
    root = classifier.get_layer(first)
    window = keras.Input(root.input.shape[1:])
    x = window
    for layer in classifier.layers[names.index(first) :]:
        x = layer(x)
    return keras.Model(window, x), root.input


@pytest.mark.parametrize(
    "name, first, options",
    [
        pytest.param(
            "VGG16", "flatten", {"classes": 10}, marks=pytest.mark.once
        ),
        pytest.param("ResNet50", "avg_pool", {}, marks=pytest.mark.once),
        ("MobileNetV2", "global_average_pooling2d", {}),
    ],
)
def test_published_classifiers(name, first, options, parity):
    classifier = application(
        name,
        input_shape=(64, 64, 3),
        classifier_activation=None,
        **options,
    )
    if name == "MobileNetV2":
        first = classifier.layers[-2].name
    network = fully_convolutional(classifier)
    assert network.input_shape == (None, None, None, 3)

    # On the classifier's own size: the classifier.
    x = picture(64, 64)
    expected = classifier.predict_on_batch(x)
    actual = network.predict_on_batch(x)
    assert actual.shape == (1, 1, 1, expected.shape[-1])
    assert relative_difference(actual[:, 0, 0], expected) < 1e-5
    if name == "MobileNetV2":
        parity(f"fully_convolutional_{name}", actual)

    # On a larger image: its head on every window of the feature map.
    x = picture(128, 96)
    head, features = head_of(classifier, first)
    encoder = network.get_layer(features._keras_history.operation.name)
    both = keras.Model(network.input, [encoder.output, network.output])
    maps, actual = both.predict_on_batch(x)
    height, width = features.shape[1:3]
    for i in range(actual.shape[1]):
        for j in range(actual.shape[2]):
            window = maps[:, i : i + height, j : j + width]
            expected = head.predict_on_batch(window)
            assert relative_difference(actual[:, i, j], expected) < 1e-5


ACTIVATIONS = [None, "softmax", "sigmoid"]


@pytest.mark.parametrize("classifier_activation", ACTIVATIONS)
def test_unpadded_classifier_is_slid_over_the_image(classifier_activation):
    """Without padding, maps of windows are windows of maps."""
    image = keras.Input((20, 24, 2))
    x = layers.Conv2D(8, 3, activation="relu")(image)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(8, 2, strides=2)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(16, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dense(6)(x)
    x = layers.LayerNormalization()(x)
    x = layers.Dense(5, activation="softmax")(x)
    classifier = randomize(keras.Model(image, x))
    network = fully_convolutional(
        classifier, classifier_activation=classifier_activation
    )
    large = picture(33, 37, 2)
    actual = outputs(network, large)
    for i in range(actual.shape[1]):
        for j in range(actual.shape[2]):
            window = large[:, 4 * i : 4 * i + 20, 4 * j : 4 * j + 24]
            expected = outputs(classifier, window)
            if classifier_activation == "softmax":
                found = actual[:, i, j]
            else:
                # What was left off: softmax of logits is the classifier.
                logits = actual[:, i, j]
                if classifier_activation == "sigmoid":
                    logits = np.log(logits / (1 - logits))
                found = np.exp(logits) / np.exp(logits).sum()
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.once
def test_padding_makes_the_two_different():
    """A padded classifier sees zeros where the larger image goes on."""
    image = keras.Input((16, 16, 2))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = layers.Flatten()(x)
    classifier = randomize(keras.Model(image, layers.Dense(5)(x)))
    large = picture(20, 20, 2)
    slid = outputs(fully_convolutional(classifier), large)[:, 2, 2]
    window = outputs(classifier, large[:, 2:18, 2:18])
    assert relative_difference(slid, window) > 1e-2


@pytest.mark.once
def test_dense_sliding_window():
    """With its strides removed, the classifier at every pixel."""
    image = keras.Input((15, 15, 1))
    x = layers.Conv2D(6, 4, activation="relu")(image)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(6, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    classifier = randomize(keras.Model(image, layers.Dense(3)(x)))
    dense = set_output_stride(fully_convolutional(classifier), 1)
    large = picture(20, 22, 1)
    actual = outputs(dense, large)
    for i in range(6):
        for j in range(8):
            window = outputs(classifier, large[:, i : i + 15, j : j + 15])
            assert relative_difference(actual[:, i, j], window) < 1e-5


@pytest.mark.once
@pytest.mark.parametrize(
    "name",
    ["MobileNet", "MobileNetV3Small", "EfficientNetB0", "ConvNeXtTiny"],
)
def test_other_heads(name):
    """Heads of reshapes, 1×1 convolutions, separate activations, norms."""
    classifier = application(name, input_shape=(96, 96, 3))
    network = fully_convolutional(classifier, classifier_activation="softmax")
    x = 127.5 * picture(96, 96) + 127.5
    np.testing.assert_allclose(
        outputs(network, x)[:, 0, 0],
        outputs(classifier, x),
        rtol=1e-3,
        atol=1e-6,
    )
    assert outputs(network, np.tile(x, (1, 2, 1, 1))).shape[1] > 1


@pytest.mark.once
def test_global_max_pooling_and_inner_encoder():
    inner = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(4, 3, strides=2)],
        name="inner",
    )
    classifier = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            inner,
            layers.GlobalMaxPooling2D(),
            layers.Dense(2),
        ]
    )
    randomize(classifier)
    network = fully_convolutional(classifier)
    x = picture(18, 16)
    actual = outputs(network, x)
    assert actual.shape == (1, 2, 1, 2)
    for i in range(2):
        expected = outputs(classifier, x[:, 2 * i : 2 * i + 16])
        assert relative_difference(actual[:, i, 0], expected) < 1e-5


def test_channels_first():
    keras.config.set_image_data_format("channels_first")
    x = image = keras.Input((3, 20, 24))
    for layer in (
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(4),
        layers.Flatten(),  # A map of 5×6, the channels in front.
        layers.Dense(8, activation="relu"),
        layers.Dense(5),
    ):
        x = layer(x)
    classifier = randomize(keras.Model(image, x))
    network = fully_convolutional(classifier)
    x = np.moveaxis(picture(20, 24), -1, 1)
    np.testing.assert_allclose(
        outputs(network, x)[:, :, 0, 0],
        outputs(classifier, x),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.once
def test_same_padding_keeps_the_map():
    classifier = application("VGG16", input_shape=(64, 64, 3), classes=4)
    network = fully_convolutional(classifier, padding="same", dropout=0.5)
    assert network.compute_output_shape((1, 96, 160, 3)) == (1, 3, 5, 4)
    rates = [x.rate for x in network.layers if isinstance(x, layers.Dropout)]
    assert rates == [0.5, 0.5]


def photographs(data_dir):
    image = pytest.importorskip("PIL.Image")
    with open(data_dir / "photos" / "photos.csv") as file:
        for row in csv.DictReader(file):
            names = row["expected_top1_any_of"].split("|")
            photo = image.open(data_dir / "photos" / row["file"])
            photo = photo.convert("RGB").resize((224, 224), image.BILINEAR)
            yield names, np.asarray(photo, "float32")[None] / 127.5 - 1


@pytest.mark.once
def test_real_weights_name_the_photographs(data_dir):
    """And on a larger picture they do so where the object is."""
    import json

    index = json.loads(
        (data_dir / "weights" / "imagenet_class_index.json").read_text()
    )
    classes = [index[str(i)][1] for i in range(1000)]
    classifier = keras.applications.MobileNetV2(weights=None)
    classifier.load_weights(
        data_dir / "weights" / "mobilenet_v2_1.0_224_imagenet_top.weights.h5"
    )
    network = fully_convolutional(classifier)
    dense = set_output_stride(network, 16)
    for names, x in photographs(data_dir):
        logits = network.predict_on_batch(x)[0, 0, 0]
        assert classes[logits.argmax()] in names
        # The photograph at the lower right of a gray picture.
        large = np.zeros((1, 352, 384, 3), "float32")
        large[:, 128:, 160:] = x
        scores = dense.predict_on_batch(large)[0]
        found = scores[..., [classes.index(name) for name in names]].max(-1)
        row, column = np.unravel_index(found.argmax(), found.shape)
        # Windows of 224 pixels start every 16: (8, 10) is the photograph.
        assert abs(row - 8) <= 4 and abs(column - 10) <= 4, names


@pytest.mark.once
@pytest.mark.parametrize(
    "head, error",
    [
        ([], "has no fully connected head"),
        ([layers.Flatten(), layers.BatchNormalization(name="bn")], "'bn'"),
        ([layers.GlobalAveragePooling2D(), layers.Reshape((2, 2))], "reshape"),
        (
            [
                layers.GlobalAveragePooling2D(),
                layers.GroupNormalization(2, name="group"),
            ],
            "'group' .*all windows",
        ),
        (
            [layers.Flatten(), layers.Activation("softmax", name="soft")],
            "'soft' .*flattened map",
        ),
    ],
)
def test_heads_that_can_not_be_converted(head, error):
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(image)
    for layer in head:
        x = layer(x)
    with pytest.raises(ValueError, match=error):
        fully_convolutional(keras.Model(image, x))


@pytest.mark.once
def test_unknown_size_is_refused():
    image = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    classifier = keras.Model(image, layers.Dense(2)(x))
    with pytest.raises(ValueError, match="fixed `input_shape`"):
        fully_convolutional(classifier)
    with pytest.raises(ValueError, match="Received: padding='full'"):
        fully_convolutional(classifier, padding="full")


@pytest.mark.once
def test_two_data_formats_are_refused():
    image = keras.Input((3, 8, 8))
    x = layers.Conv2D(4, 3, data_format="channels_first")(image)
    x = layers.Dense(2)(layers.Flatten(name="flat")(x))
    with pytest.raises(ValueError, match="'flat'.*'channels_last', that of"):
        fully_convolutional(keras.Model(image, x))


class GeM(layers.GlobalAveragePooling2D):
    """Generalized mean pooling."""

    def call(self, x):
        return super().call(keras.ops.maximum(x, 1e-3) ** 3) ** (1 / 3)


class Cosine(layers.Dense):
    def call(self, x):
        kernel = keras.ops.normalize(self.kernel, axis=0)
        return keras.ops.normalize(x, axis=-1) @ kernel


class Quiet(layers.Dense):
    """Adds nothing to what a dense layer does."""


def classifier_of(pooling, dense, **options):
    image = keras.Input((12, 10, 3))
    x = layers.Conv2D(4, 3, 2, activation="relu")(image)
    x = pooling(name="pool")(x)
    x = dense(6, name="hidden", **options)(x)
    x = layers.Dense(5)(x)
    return randomize(keras.Model(image, layers.Softmax()(x)))


@pytest.mark.once
def test_subclasses_are_not_their_base_classes():
    mean = layers.GlobalAveragePooling2D
    for pooling, dense, layer in ((GeM, Quiet, "pool"), (mean, Cosine, "hidd")):
        classifier = classifier_of(pooling, dense)
        with pytest.raises(ValueError, match=f"behind the layer '{layer}"):
            fully_convolutional(classifier)
        with pytest.raises(ValueError, match=f"'{layer}.* `call` of its own"):
            fully_convolutional(classifier, verify=False)
    for pooling in (mean, layers.Flatten):
        for padding in ("valid", "same"):
            classifier = classifier_of(pooling, Quiet)
            network = fully_convolutional(
                classifier, classifier_activation="softmax", padding=padding
            )
            # Of the 5 rows and 4 columns of "same", the one in the middle.
            row, column = (0, 0) if padding == "valid" else (2, 1)
            x = picture(12, 10)
            np.testing.assert_allclose(
                outputs(network, x)[:, row, column],
                outputs(classifier, x),
                rtol=1e-4,
                atol=1e-6,
            )


@pytest.mark.once
def test_softmax_along_the_last_axis():
    """With channels first that is the columns, not the classes."""
    image = keras.Input((3, 8, 8))

    def model(*head):
        x = layers.Conv2D(4, 3, data_format="channels_first")(image)
        x = layers.GlobalAveragePooling2D("channels_first")(x)
        for layer in head:
            x = layer(x)
        return randomize(keras.Model(image, layers.Dense(2)(x)))

    for layer in (
        layers.Dense(4, activation="softmax", name="soft"),
        layers.Activation("log_softmax", name="soft"),
    ):
        with pytest.raises(ValueError, match="'soft' .*along the last axis"):
            fully_convolutional(model(layer))
    with pytest.raises(ValueError, match="Received: classifier_activation="):
        fully_convolutional(model(), classifier_activation="log_softmax")
    classifier = model(layers.Softmax())
    network = fully_convolutional(classifier)
    if keras.backend.backend() == "torch":
        x = np.moveaxis(picture(8, 8), -1, 1)
        actual = outputs(network, x)[:, :, 0, 0]
        assert relative_difference(actual, outputs(classifier, x)) < 1e-5
