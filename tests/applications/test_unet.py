import keras
import pytest
from keras import layers

from keras_seg.applications import UNet
from keras_seg.surgery import pyramid
from tests.model_check import check_model


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


def test_parameters_of_the_paper():
    # papers.md 7.1: one channel to two classes, one to one, RGB to 21.
    if keras.backend.backend() != "torch":
        pytest.skip("counted on torch")
    gray = (None, None, 1)
    assert UNet(input_shape=gray).count_params() == 31030658
    assert UNet(input_shape=gray, classes=1).count_params() == 31030593
    assert UNet(classes=21).count_params() == 31033045


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
