import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import FCN8s
from keras_seg.layers import AtrousConv
from keras_seg.layers import BatchNorm
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
        {"filters": 5, "kernel_size": 3, "rate": 2, "padding": "same"},
    ),
}


def norms_of(model):
    return [
        layer
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
    ]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("norm", [{}, {"scale": False}, {"center": False}])
def test_every_layer(kind, norm, data_format):
    layer_class, options = LAYERS[kind]
    first = data_format == "channels_first"
    if kind == "dense":
        if first:
            pytest.skip("dense layers have their channels last")
    else:
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
def test_networks(name, left):
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
