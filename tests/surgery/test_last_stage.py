import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.surgery import cascade
from keras_seg.surgery import multi_grid
from keras_seg.surgery import set_output_stride
from tests.networks import application
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference


def two_stages(filters=(4, 6)):
    x = image = keras.Input((None, None, 3))
    for stage, width in enumerate(filters):
        for unit, strides in enumerate((2, 1)):
            x = layers.Conv2D(
                width,
                3,
                strides,
                padding="same",
                activation="relu",
                name=f"stage{stage}_{unit}",
            )(x)
    return keras.Model(image, x, name="two_stages")


def test_a_copy_is_the_last_stage_again():
    """With its weights, it computes what calling the stage again does."""
    model = randomize(two_stages((6, 6)))
    longer = cascade(model, 2)
    for number in (1, 2):
        for unit in (0, 1):
            copy = longer.get_layer(f"stage1_{unit}_cascade{number}")
            drawn = copy.get_weights()[0]
            original = model.get_layer(f"stage1_{unit}")
            # Its own weights: not those of the stage, nor zeros.
            assert np.std(drawn) > 0
            assert np.abs(drawn - original.get_weights()[0]).max() > 0
            copy.set_weights(original.get_weights())
    first = model.get_layer("stage0_1").output
    stage = keras.Model(first, model.output)
    x = np.random.default_rng(0).normal(size=(1, 33, 47, 3)).astype("float32")
    expected = outputs(stage, outputs(stage, outputs(model, x)))
    assert relative_difference(outputs(longer, x), expected) < 1e-5
    assert longer.compute_output_shape((1, 64, 64, 3)) == (1, 4, 4, 6)


def test_other_channels_than_the_stage_took():
    model = randomize(two_stages())
    longer = cascade(model, 1)
    assert tuple(longer.get_layer("stage1_0").kernel.shape) == (3, 3, 4, 6)
    copy = longer.get_layer("stage1_0_cascade1")
    assert tuple(copy.kernel.shape) == (3, 3, 6, 6)
    np.testing.assert_array_equal(
        longer.get_layer("stage1_1").get_weights()[0],
        model.get_layer("stage1_1").get_weights()[0],
    )


@pytest.mark.once
def test_rates_of_the_paper():
    """papers.md 14.1; block5 to 7 behind ResNet-50's block4 at output stride
    16, with multi-grid (1, 2, 1)."""
    model = keras.applications.ResNet50(include_top=False, weights=None)
    dense = set_output_stride(cascade(multi_grid(model, (1, 2, 1)), 3), 16)
    for number, base in ((1, 4), (2, 8), (3, 16)):
        for unit, grid in ((1, 1), (2, 2), (3, 1)):
            name = f"conv5_block{unit}_2_conv_cascade{number}"
            rate = base * grid
            assert dense.get_layer(name).dilation_rate == (rate, rate)
    assert dense.compute_output_shape((1, 512, 512, 3)) == (1, 32, 32, 2048)


@pytest.mark.once
@pytest.mark.parametrize("name", ["ResNet50V2", "EfficientNetB0", "VGG16"])
def test_stages_that_cannot_be_repeated(name):
    model = application(name, include_top=False)
    with pytest.raises(ValueError, match="can't be repeated. It must begin"):
        cascade(model, 1)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: copies=0"):
        cascade(two_stages(), 0)
    image = keras.Input((None, None, 3))
    flat = keras.Model(image, layers.Conv2D(2, 3, padding="same")(image))
    with pytest.raises(ValueError, match="has no stage behind a stride"):
        cascade(flat, 1)
