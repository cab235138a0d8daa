import keras
import numpy as np
import pytest
from keras import layers

from keras_seg import surgery
from keras_seg.applications import DeepLabV3
from keras_seg.applications import DeepLabV3Plus
from keras_seg.layers import ASPP
from keras_seg.surgery import receptive_field
from keras_seg.surgery import set_output_stride
from tests.model_check import check_model
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

BUILDERS = [DeepLabV3, DeepLabV3Plus]
# Weights to train for 21 classes: papers.md 14.2 and 15.1, for a ResNet
# without biases; that of keras.applications has one for every channel of
# batch norm (papers.md 2.2).
LEARNED = [
    (DeepLabV3, "ResNet101", 58_040_661),
    (DeepLabV3Plus, "ResNet50", 40_352_181),
]
BIASES = {"ResNet50": 26_560, "ResNet101": 52_672}


def tiny_resnet(data_format=None):
    """Five strides, batch norm, and three 3×3 behind the last stride."""
    data_format = data_format or keras.config.image_data_format()
    first = data_format == "channels_first"
    options = {"data_format": data_format, "padding": "same"}
    x = image = keras.Input((3, None, None) if first else (None, None, 3))
    x = layers.Conv2D(4, 3, 2, name="stem", **options)(x)
    for stage, filters in enumerate((4, 6, 8, 10, 12), start=1):
        if stage > 1:
            # What a 1×1 with a stride does, in two: the backward of oneDNN,
            # in TensorFlow 2.21 and PyTorch 2.13, writes past its memory
            # where such a convolution has a handful of channels.
            x = layers.AveragePooling2D(
                1, 2, name=f"stage{stage}_stride", **options
            )(x)
        for unit in range(3 if stage == 5 else 1):
            name = f"stage{stage}_{unit}"
            x = layers.Conv2D(filters, 1, name=f"{name}_1", **options)(x)
            x = layers.Conv2D(filters, 3, name=f"{name}_2", **options)(x)
            x = layers.BatchNormalization(
                axis=1 if first else 3, name=f"{name}_norm"
            )(x)
            x = layers.ReLU(name=f"{name}_out")(x)
    return keras.Model(image, x, name="tiny_resnet")


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (1, height, width, 3)).astype("float32")


@pytest.mark.parametrize("builder", BUILDERS)
def test_model(builder, tmp_path, parity):
    def build(data_format="channels_last", **options):
        # The check trains on one image: with batch norm ASPP would warn.
        return builder(
            tiny_resnet(data_format),
            data_format=data_format,
            normalization="group",
            **options,
        )

    check_model(build, tmp_path, parity)


@pytest.mark.once
@pytest.mark.parametrize("builder, backbone, paper", LEARNED)
def test_parameters_of_the_paper(builder, backbone, paper):
    model = builder(backbone, weights=None)
    assert learned(model) == paper + BIASES[backbone]
    assert learned(surgery.drop_biases(model)) == paper


def learned(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


@pytest.mark.once
def test_sizes_and_rates_of_the_paper():
    """papers.md 14.1: 513 → 33 at output stride 16 and 65 at 8; the units of
    the last stage at 2, 4, 8 and 4, 8, 16, the pyramid's rates doubled."""
    for output_stride, size, units, rates in (
        (16, 33, (2, 4, 8), (6, 12, 18)),
        (8, 65, (4, 8, 16), (12, 24, 36)),
    ):
        model = DeepLabV3(
            "resnet50",
            weights=None,
            input_shape=(513, 513, 3),
            output_stride=output_stride,
        )
        assert learned(model) == 39_048_533 + BIASES["ResNet50"]
        aspp = model.get_layer("aspp")
        assert aspp.input.shape == (None, size, size, 2048)
        assert aspp.atrous_rates == rates
        for unit, rate in enumerate(units, start=1):
            layer = model.get_layer(f"conv5_block{unit}_2_conv")
            assert layer.dilation_rate == (rate, rate)


@pytest.mark.once
@pytest.mark.parametrize("rates, millions", [(None, 4.52), ((), 2.11)])
def test_mobilenets_are_those_of_the_authors(rates, millions):
    """MobileNetV2's table 7: with ASPP and without, on the second last map.

    That has a position on every corner, as ResNets' have: 513 → 33."""
    model = DeepLabV3(
        "mobilenet_v2",
        weights=None,
        input_shape=(513, 513, 3),
        atrous_rates=rates,
    )
    last = model.get_layer("aspp").input
    assert last.shape[1:] == (33, 33, 320)
    seen = receptive_field(model, last)
    assert seen.stride == 16 and seen.center == 0
    assert round(learned(model) / 1e6, 2) == millions


@pytest.mark.once
def test_a_model_is_a_backbone_as_it_is():
    """Of a MobileNetV2 of one's own the widest map too."""
    network = keras.applications.MobileNetV2(
        weights=None, include_top=False, alpha=0.35
    )
    model = DeepLabV3(network, classes=3)
    assert model.get_layer("aspp").input.shape[-1] == 1280


@pytest.mark.once
@pytest.mark.parametrize("builder", BUILDERS)
def test_evaluated_at_another_output_stride(builder):
    """One call makes the network of output stride 8, and its weights fit."""
    trained = randomize(builder(tiny_resnet(), classes=4))
    dense = set_output_stride(trained, 8)
    assert dense.get_layer("aspp").atrous_rates == (12, 24, 36)
    built = builder(tiny_resnet(), classes=4, output_stride=8)
    built.set_weights(dense.get_weights())
    # 16k + 1: both pad nothing.
    x = picture(33, 49)
    assert relative_difference(outputs(dense, x), outputs(built, x)) < 1e-5
    assert dense.compute_output_shape((1, 50, 70, 3)) == (1, 50, 70, 4)
    # And back, in one call; and by the builder.
    back = set_output_stride(dense, 16)
    again = builder(tiny_resnet(), classes=4)
    again.set_weights(dense.get_weights())
    for other in (back, again):
        assert other.get_layer("aspp").atrous_rates == (6, 12, 18)
        np.testing.assert_array_equal(outputs(other, x), outputs(trained, x))
    # With its channels first, too.
    first = builder(tiny_resnet("channels_first"), data_format="channels_first")
    first = set_output_stride(surgery.replace_classes(first, 4), 8)
    first.set_weights(dense.get_weights())
    turned = outputs(first, np.moveaxis(x, -1, 1))
    assert relative_difference(turned, outputs(dense, x)) < 1e-4
    # The denser map was worth computing: the logits are others.
    assert relative_difference(outputs(dense, x), outputs(trained, x)) > 1e-4


@pytest.mark.once
def test_cascade():
    """papers.md 14.1: block5 … block7 are copies of block4 at twice the rate
    of the one before, 2, 4, 8, 16 times multi-grid at output stride 16; no
    pyramid."""
    model = DeepLabV3(tiny_resnet(), cascade=3, multi_grid=(1, 2, 1), classes=2)
    rates = [
        layer.dilation_rate[0]
        for layer in model.layers
        if isinstance(layer, layers.Conv2D) and layer.kernel_size == (3, 3)
    ]
    assert rates[-12:] == [2, 4, 2, 4, 8, 4, 8, 16, 8, 16, 32, 16]
    assert not [x for x in model.layers if isinstance(x, ASPP)]
    dense = set_output_stride(model, 8)
    last = dense.get_layer("stage5_1_2_cascade3")
    assert last.dilation_rate == (64, 64)
    assert dense.compute_output_shape((1, 50, 70, 3)) == (1, 50, 70, 2)
    with pytest.raises(
        ValueError, match="Received: atrous_rates=.6,., cascade=1"
    ):
        DeepLabV3(tiny_resnet(), cascade=1, atrous_rates=(6,))


@pytest.mark.once
def test_rates_that_are_asked_for():
    model = DeepLabV3(
        tiny_resnet(), multi_grid=(1, 1, 1), atrous_rates=(3, 9), classes=2
    )
    assert model.get_layer("aspp").atrous_rates == (3, 9)
    assert model.get_layer("stage5_2_2").dilation_rate == (2, 2)
    with pytest.raises(ValueError, match="1×1: 3. Received: multi_grid=.1, 2."):
        DeepLabV3(tiny_resnet(), multi_grid=(1, 2))
    with pytest.raises(ValueError, match="Received: output_stride=12"):
        DeepLabV3(tiny_resnet(), output_stride=12)


@pytest.mark.once
def test_auxiliary_head_and_frozen_batch_norm():
    model = DeepLabV3(
        tiny_resnet(), classes=3, auxiliary=True, freeze_batch_norm=True
    )
    randomize(model)
    x = picture(40, 33)
    logits, auxiliary = model.predict_on_batch(x)
    assert logits.shape == auxiliary.shape == (1, 40, 33, 3)
    norm = model.get_layer("stage1_0_norm")
    kernel = model.get_layer("auxiliary_conv")
    before = norm.get_weights(), kernel.get_weights()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", [loss, loss], loss_weights=[1.0, 0.4])
    masks = np.zeros((2, 40, 33), "int32")
    model.fit(np.repeat(x, 2, 0), [masks, masks], verbose=0)
    for old, new in zip(before[0], norm.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.abs(before[1][0] - kernel.get_weights()[0]).max() > 0


@pytest.mark.once
def test_no_map_for_the_auxiliary_head():
    x = image = keras.Input((None, None, 3))
    for _ in range(3):
        x = layers.Conv2D(4, 3, 2, padding="same")(x)
    shallow = keras.Model(image, x)
    with pytest.raises(ValueError, match="no map of stride 16"):
        DeepLabV3(shallow, output_stride=8, auxiliary=True)
