import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import FCN8s
from keras_seg.layers import AtrousConv
from keras_seg.layers import BatchNorm
from keras_seg.surgery import drop_biases
from keras_seg.surgery import fold_batch_norm
from tests.networks import application
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)

LAYERS = {
    "conv": (layers.Conv2D, {"filters": 5, "kernel_size": 3}),
    "no bias": (
        layers.Conv2D,
        {"filters": 5, "kernel_size": 3, "use_bias": False},
    ),
    "transposed": (
        layers.Conv2DTranspose,
        {"filters": 5, "kernel_size": 3, "strides": 2},
    ),
    "depthwise": (
        layers.DepthwiseConv2D,
        {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"},
    ),
    "separable": (layers.SeparableConv2D, {"filters": 5, "kernel_size": 3}),
    "dense": (layers.Dense, {"units": 5}),
    "atrous": (
        AtrousConv,
        {"filters": 5, "kernel_size": 3, "dilation_rate": 2, "padding": "same"},
    ),
}


def norms_of(model):
    return [
        layer
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
    ]


@pytest.mark.parametrize(
    ("kind", "norm", "data_format"),
    [
        *((kind, {}, "channels_last") for kind in LAYERS),
        ("conv", {"scale": False}, "channels_last"),
        ("dense", {"center": False}, "channels_last"),
        ("conv", {"center": False}, "channels_first"),
        ("no bias", {"center": False}, "channels_first"),
        ("transposed", {"scale": False}, "channels_first"),
        ("depthwise", {"center": False}, "channels_first"),
        ("separable", {"scale": False}, "channels_first"),
        ("atrous", {}, "channels_first"),
    ],
)
def test_folding_of_every_layer(kind, norm, data_format):
    layer_class, options = LAYERS[kind]
    first = data_format == "channels_first"
    if kind != "dense":  # Its channels are last.
        options = {**options, "data_format": data_format}
    image = keras.Input((3, None, None) if first else (None, None, 3))
    x = layer_class(name="layer", **options)(image)
    x = BatchNorm(axis=1 if first else -1, **norm)(x)
    model = randomize(keras.Model(image, layers.ReLU()(x)))
    folded = fold_batch_norm(model)
    assert not norms_of(folded)
    x = RNG.normal(size=(1, 3, 9, 11) if first else (1, 9, 11, 3))
    x = x.astype("float32")
    assert relative_difference(outputs(folded, x), outputs(model, x)) < 1e-5


NETWORKS = [("MobileNetV2", 0), ("ResNet50", 0), ("DenseNet121", 62)]


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "left"), NETWORKS if BACKEND == "torch" else NETWORKS[:1]
)
def test_folded_networks(name, left):
    """DenseNet's stay in front of 58 units, 3 transitions and its end."""
    model = application(name, include_top=False, input_shape=(None, None, 3))
    folded = fold_batch_norm(model)
    assert len(norms_of(folded)) == left
    x = RNG.uniform(-1, 1, (1, 65, 49, 3)).astype("float32")
    assert relative_difference(outputs(folded, x), outputs(model, x)) < 1e-4


@pytest.mark.once
def test_a_segmentation_network_of_a_network(tmp_path):
    inner = FCN8s("mobilenet_v2", weights=None, classes=3)
    image = keras.Input((None, None, 3))
    model = randomize(keras.Model(image, inner(image)))
    folded = fold_batch_norm(model)
    inside = next(x for x in folded.layers if isinstance(x, keras.Model))
    assert norms_of(inner) and not norms_of(inside)
    x = RNG.uniform(0, 255, (1, 50, 33, 3)).astype("float32")
    expected = outputs(folded, x)
    assert relative_difference(expected, outputs(model, x)) < 1e-4
    folded.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(outputs(loaded, x), expected, rtol=1e-5)


@pytest.mark.once
def test_norms_that_stay():
    image = keras.Input((None, None, 3))
    # Behind an activation; behind what goes elsewhere too; in front.
    x = layers.Conv2D(4, 1, activation="relu")(image)
    x = layers.BatchNormalization(name="after_relu")(x)
    x = layers.Conv2D(4, 1)(x)
    x = layers.Add()([x, layers.BatchNormalization(name="a_branch")(x)])
    # A convolution and a norm that are used twice.
    twice, norm = layers.Conv2D(4, 1), layers.BatchNormalization(name="twice")
    x = norm(twice(norm(twice(x))))
    model = randomize(keras.Model(image, x))
    folded = fold_batch_norm(model)
    assert [n.name for n in norms_of(folded)] == [
        "after_relu",
        "a_branch",
        "twice",
    ]
    x = RNG.normal(size=(1, 6, 7, 3)).astype("float32")
    assert relative_difference(outputs(folded, x), outputs(model, x)) < 1e-5


def picture(height=32, width=40, channels=3):
    rng = np.random.default_rng(1)
    return rng.normal(size=(2, height, width, channels)).astype("float32")


def learned(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def on_torch():
    if keras.backend.backend() != "torch":
        pytest.skip("the graph is the same on every backend")


def names(model):
    return [layer.name for layer in model.layers[1:]]


@pytest.mark.once
# papers.md 2.2: weights to train without the classifier, and as many biases
# as channels of batch norm.
@pytest.mark.parametrize(
    "name, parameters, biases",
    [("ResNet50", 23_508_032, 26_560), ("ResNet101", 42_500_160, 52_672)],
)
def test_resnets_of_the_papers(name, parameters, biases):
    on_torch()
    model = application(name, include_top=False, input_shape=(None, None, 3))
    free = drop_biases(model)
    assert learned(free) == parameters == learned(model) - biases
    assert not any(getattr(layer, "use_bias", 0) for layer in free.layers)
    x = picture()
    assert relative_difference(outputs(free, x), outputs(model, x)) < 1e-5
    assert names(free) == names(model)


@pytest.mark.once
def test_nothing_to_drop():
    on_torch()
    model = application(
        "MobileNetV2", alpha=0.35, include_top=False, input_shape=(32, 32, 3)
    )
    free = drop_biases(model)
    for old, new in zip(model.get_weights(), free.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert free.input_shape == (None, None, None, 3)


KINDS = {
    "conv": lambda: layers.Conv2D(5, 3, padding="same"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, 2),
    "separable": lambda: layers.SeparableConv2D(5, 3),
    "transposed": lambda: layers.Conv2DTranspose(5, 3, 2),
    "holes": lambda: AtrousConv(5, 3, 2),
    "dense": lambda: layers.Dense(5),
}


@pytest.mark.parametrize(
    ("kind", "scale"),
    [*((kind, True) for kind in KINDS), ("conv", False), ("separable", False)],
)
def test_every_kind_of_layer(kind, scale):
    image = keras.Input((8, 10, 3))
    layer = KINDS[kind]()
    x = layers.BatchNormalization(scale=scale, center=scale)(layer(image))
    model = randomize(keras.Model(image, layers.ReLU()(x)))
    free = drop_biases(model)
    assert not free.get_layer(layer.name).use_bias
    assert learned(model) - learned(free) == layer.bias.shape[0]
    x = picture(8, 10)
    assert relative_difference(outputs(free, x), outputs(model, x)) < 1e-5
    # In training mode the mean of the batch takes the bias away.
    pairs = [m(x, training=True) for m in (free, model)]
    actual, expected = map(keras.ops.convert_to_numpy, pairs)
    assert relative_difference(actual, expected) < 1e-4


@pytest.mark.once
def test_inner_models_and_channels_first():
    def conv(filters):
        return layers.Conv2D(filters, 1, data_format="channels_first")

    def build():
        inside = keras.Input((3, None, None))
        x = layers.BatchNormalization(axis=1)(conv(4)(inside))
        inner = keras.Model(inside, x, name="inner")
        image = keras.Input((3, None, 7))
        x = layers.BatchNormalization(axis=1)(conv(5)(inner(image)))
        return keras.Model(image, x)

    model = randomize(build())
    free = drop_biases(model)
    assert learned(model) - learned(free) == 4 + 5
    assert names(free) == names(model)
    if keras.backend.backend() == "torch":
        x = np.moveaxis(picture(6, 7), -1, 1)
        assert relative_difference(outputs(free, x), outputs(model, x)) < 1e-5


def keeps(build):
    """Whether a network of what is built on an image keeps its biases."""
    image = keras.Input((8, 8, 3))
    model = randomize(keras.Model(image, build(image)))
    free = drop_biases(model)
    x = picture(8, 8)
    for actual, expected in zip(
        keras.tree.flatten(free.predict_on_batch(x)),
        keras.tree.flatten(model.predict_on_batch(x)),
        strict=True,
    ):
        assert relative_difference(actual, expected) < 1e-5
    return learned(free) == learned(model)


@pytest.mark.once
def test_biases_that_matter_are_kept():
    def conv(**options):
        return layers.Conv2D(3, 3, padding="same", **options)

    def norm(**options):
        return layers.BatchNormalization(**options)

    assert not keeps(lambda x: norm()(conv()(x)))
    assert keeps(lambda x: norm()(conv(activation="relu")(x)))
    assert keeps(lambda x: norm()(layers.ReLU()(conv()(x))))

    # Dense layers add theirs along the last axis.
    rows = keras.Input((8, 3))
    model = keras.Model(rows, norm(axis=1)(layers.Dense(8)(rows)))
    assert learned(drop_biases(model)) == learned(model)

    def also_an_output(x):
        x = conv()(x)
        return [norm()(x), x]

    def two_users(x):
        x = conv()(x)
        return layers.Add()([norm()(x), x])

    def two_norms(x):
        x = conv()(x)
        return layers.Add()([norm()(x), norm()(x)])

    def convolved_twice(x):
        layer = conv()
        return norm()(layer(layer(x)))

    def norm_used_twice(x):
        layer = norm()
        return layer(layer(conv()(x)))

    for build in (
        also_an_output,
        two_users,
        two_norms,
        convolved_twice,
        norm_used_twice,
    ):
        assert keeps(build), build.__name__


@pytest.mark.once
def test_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="needs a functional Keras model"):
        drop_biases(Subclassed())
