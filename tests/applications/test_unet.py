import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import UNet
from keras_seg.surgery import pyramid
from tests.model_check import check_model
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference
from tests.networks import without_values


def test_model(tmp_path, parity):
    def build(**options):
        return UNet(filters=4, depth=2, **options)

    check_model(build, tmp_path, parity)


def test_model_on_a_backbone(tmp_path, parity):
    def build(data_format="channels_last", **options):
        shape = (None, None, 3)
        if data_format == "channels_first":
            shape = (3, None, None)
        image = keras.Input(shape)
        x = image
        for filters in (4, 6):
            x = layers.Conv2D(
                filters,
                3,
                strides=2,
                padding="same",
                activation="relu",
                data_format=data_format,
            )(x)
        return UNet(
            keras.Model(image, x),
            filters=4,
            data_format=data_format,
            name="unet_on_backbone",
            **options,
        )

    check_model(build, tmp_path, parity)


@pytest.mark.once
def test_parameters_of_the_paper():
    # papers.md 7.1: one channel to two classes, one to one, RGB to 21.
    gray = (None, None, 1)
    with without_values():
        assert UNet(input_shape=gray).count_params() == 31030658
        assert UNet(input_shape=gray, classes=1).count_params() == 31030593
        assert UNet(classes=21).count_params() == 31033045


# papers.md 7.1: n to n - 184, and what every level has of 572.
@pytest.mark.parametrize(
    "size, result", [(188, 4), (572, 388), (700, 516), (716, 532)]
)
def test_sizes_of_the_paper(size, result):
    model = UNet(input_shape=(size, size, 1), filters=2, padding="valid")
    assert model.output_shape == (None, result, result, 2)
    if size != 572:
        return
    names = {
        "encoder1_conv2": 568,
        "encoder4_conv2": 64,
        "bottom5_conv2": 28,
        "up4": 56,
        "crop4": 56,
        "decoder4_conv2": 52,
        "decoder1_conv2": 388,
    }
    for name, side in names.items():
        assert model.get_layer(name).output.shape[1] == side
    skips = {4: 64 - 56, 3: 136 - 104, 2: 280 - 200, 1: 568 - 392}
    for level, difference in skips.items():
        assert model.get_layer(f"crop{level}").offset == difference // 2


def test_unpadded_tiles_fit_together():
    """Overlap-tile: what a tile gives does not depend on where it is cut."""
    model = randomize(UNet(filters=2, depth=2, padding="valid"))
    # Depth 2 loses 40 positions.
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (1, 60, 64, 3)).astype("float32")
    whole = outputs(model, image)
    assert whole.shape == (1, 20, 24, 2)
    tile = outputs(model, image[:, 8:56, 4:52])
    assert relative_difference(tile, whole[:, 8:16, 4:12]) < 1e-5
    first = UNet(
        filters=2, depth=2, padding="valid", data_format="channels_first"
    )
    first.set_weights(model.get_weights())
    turned = outputs(first, np.moveaxis(image, -1, 1))
    assert relative_difference(turned, whole) < 1e-5


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="next one is 572. Received: image"):
        UNet(input_shape=(560, 572, 1), filters=2, padding="valid")
    with pytest.raises(ValueError, match="next one is 188. Received: image"):
        UNet(input_shape=(172, 188, 1), filters=2, padding="valid")
    with pytest.raises(ValueError, match="Received: padding='full'"):
        UNet(padding="full")
    with pytest.raises(ValueError, match="Received: padding='valid', backb"):
        UNet("mobilenet_v2", padding="valid")


@pytest.mark.once
def test_joins_every_map_of_the_encoder():
    model = UNet("mobilenet_v2", filters=8)
    joined = {
        layer.name: layer.input[0].shape[-1]
        for layer in model.layers
        if isinstance(layer, layers.Concatenate)
    }
    encoder = keras.applications.MobileNetV2(weights=None, include_top=False)
    channels = [x.shape[-1] for x in pyramid(encoder).values()]
    assert [joined[f"join{n}"] for n in (2, 3, 4, 5)] == channels[:-1]


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: depth=0"):
        UNet(depth=0)
    with pytest.raises(ValueError, match="Received: filters=2.5"):
        UNet(filters=2.5)
    with pytest.raises(ValueError, match="Received: classes=0"):
        UNet(classes=0)
    with pytest.raises(ValueError, match="Received: weights='imagenet', back"):
        UNet(weights="imagenet")


@pytest.mark.once
def test_widths_of_the_decoder_on_a_backbone():
    """256, 128, 64, 32, 16: Segmentation Models' default, from the bottom."""
    model = UNet("mobilenet_v2")
    widths = [
        model.get_layer(f"decoder{level}_conv2").filters
        for level in (5, 4, 3, 2, 1)
    ]
    assert widths == [256, 128, 64, 32, 16]
