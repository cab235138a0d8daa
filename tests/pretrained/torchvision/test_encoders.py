import keras
import pytest

from keras_seg.pretrained.torchvision import encoders

pytestmark = pytest.mark.once  # The graph is the same on every backend.


def build(name):
    image = keras.Input((None, None, 3))
    encoder = encoders.build(name, image, "channels_last")
    return encoder, keras.Model(image, [encoder.last, encoder.middle])


def test_rates_of_a_dense_resnet():
    """peers.md 3.3: the first unit of a stage keeps the previous rate."""
    encoder, model = build("resnet50")
    assert model.compute_output_shape((1, 65, 97, 3)) == [
        (1, 9, 13, 2048),
        (1, 9, 13, 1024),
    ]
    rates = {
        stage: [
            model.get_layer(f"conv{stage}_block{unit}_2_conv").dilation_rate[0]
            for unit in range(1, units + 1)
        ]
        for stage, units in ((2, 3), (3, 4), (4, 6), (5, 3))
    }
    assert rates == {
        2: [1, 1, 1],
        3: [1, 1, 1, 1],
        4: [1, 2, 2, 2, 2, 2],
        5: [2, 4, 4],
    }
    strides = {
        layer.name: layer.strides[0]
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.strides != (1, 1)
    }
    assert strides == {
        "conv1_conv": 2,
        "conv3_block1_0_conv": 2,
        "conv3_block1_2_conv": 2,
    }
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.epsilon, layer.momentum) == (1e-5, 0.9)
    named = {layer.name for layer in model.layers if layer.weights}
    assert named == encoder.names.keys()
    assert len(set(encoder.names.values())) == len(encoder.names)


def test_mobilenet():
    """Rate 2 from the unit on that has lost its stride; all sides alike."""
    encoder, model = build("mobilenet_v3_large")
    assert model.compute_output_shape((1, 65, 97, 3)) == [
        (1, 5, 7, 960),
        (1, 9, 13, 40),
    ]
    rates = [
        layer.dilation_rate[0]
        for layer in model.layers
        if isinstance(layer, keras.layers.DepthwiseConv2D)
    ]
    assert rates == [1] * 12 + [2] * 3
    for layer in model.layers:
        if isinstance(layer, keras.layers.ZeroPadding2D):
            assert len(set(keras.tree.flatten(layer.padding))) == 1
        if isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.epsilon, layer.momentum) == (1e-3, 0.99)
    named = {layer.name for layer in model.layers if layer.weights}
    assert named == encoder.names.keys()


def test_find():
    def names(*units):
        return [
            f"backbone.layer{stage}.{unit}.conv1.weight"
            for stage, count in enumerate(units, start=1)
            for unit in range(count)
        ]

    assert encoders.find(names(3, 4, 6, 3)) == "resnet50"
    assert encoders.find(names(3, 4, 23, 3)) == "resnet101"
    assert encoders.find(names(2, 2, 2, 2)) is None
    assert encoders.find(["backbone.16.0.weight"]) == "mobilenet_v3_large"
    assert encoders.find(["backbone.12.0.weight"]) is None
