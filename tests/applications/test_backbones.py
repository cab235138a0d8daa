import keras
import numpy as np
import pytest
from keras import layers

from keras_seg import applications
from keras_seg.applications.backbones import encoder
from keras_seg.surgery import pyramid
from tests.networks import outputs
from tests.networks import randomize


class Backbone(keras.Model):
    """As keras-hub has them: a functional model that names its maps.

    Each stage has its stride in the middle: the graph alone would give the
    map in front of that, not the stage's end.
    """

    def __init__(self, end="map", **kwargs):
        image = keras.Input((None, None, 3))
        x, maps = image, {}
        for level in range(1, 4):
            x = layers.Conv2D(
                4, 3, padding="same", activation="relu", name=f"in{level}"
            )(x)
            x = layers.Conv2D(
                4,
                3,
                strides=2,
                padding="same",
                activation="relu",
                name=f"end{level}",
            )(x)
            maps[f"P{level}"] = x
        ends = {
            "map": lambda: x,
            "vector": lambda: layers.GlobalAveragePooling2D()(x),
            "dict": lambda: maps,
        }
        super().__init__(image, ends[end](), **kwargs)
        self.pyramid_outputs = maps


def encode(model):
    network, mode = encoder(
        model, None, include_preprocessing=True, data_format="channels_last"
    )
    assert mode is None
    return network


@pytest.mark.parametrize("end", ["map", "vector", "dict"])
def test_the_last_map_is_the_encoders(end):
    backbone = Backbone(end)
    network = encode(backbone)
    assert network.output is backbone.pyramid_outputs["P3"]
    levels = pyramid(network)
    # Stride 1 is named by nobody.
    assert levels.pop(1)._keras_history.operation.name == "in1"
    assert list(levels) == [2, 4, 8]
    for tensor, name in zip(
        levels.values(), backbone.pyramid_outputs, strict=True
    ):
        assert tensor is backbone.pyramid_outputs[name]


@pytest.mark.parametrize("name", ["DeepLabV3Plus", "UNet"])
def test_named_maps_are_used(name):
    backbone = randomize(Backbone("dict"))
    options = {"filters": 4} if name == "UNet" else {"output_stride": 8}
    model = getattr(applications, name)(
        backbone, weights=None, classes=3, **options
    )
    user = "low_level_conv" if name == "DeepLabV3Plus" else "join3"
    tensors = keras.tree.flatten(model.get_layer(user).input)
    # Of stride 4: what comes out of the second strided convolution.
    assert tensors[0]._keras_history.operation.name == "end2"
    for layer in backbone.layers:
        if layer.weights:
            kept = model.get_layer(layer.name).get_weights()
            for old, new in zip(layer.get_weights(), kept, strict=True):
                np.testing.assert_array_equal(new, old)
    if keras.backend.backend() == "jax":
        return  # Compiles long: the numbers are those of the graph above.
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (1, 37, 50, 3))
    assert outputs(model, image).shape == (1, 37, 50, 3)


def test_unpadded_encoders_are_joined():
    """Maps of Xception's kind: a row less than the image's at each stage."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, activation="relu")(image)
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    x = layers.Conv2D(4, 3, activation="relu")(x)
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    model = applications.UNet(keras.Model(image, x), filters=4)
    assert outputs(model, np.zeros((1, 37, 50, 3))).shape == (1, 37, 50, 2)


def test_a_vector_of_no_map_is_refused():
    image = keras.Input((8, 8, 3))
    vector = layers.GlobalAveragePooling2D()(image)
    with pytest.raises(ValueError, match="'blind' has no map"):
        encode(keras.Model(image, vector, name="blind"))
