import keras
import pytest
from keras import layers

from keras_seg.surgery import pyramid
from keras_seg.surgery import set_output_stride


def application(name, **options):
    builder = getattr(keras.applications, name)
    return builder(weights=None, input_shape=(64, 96, 3), **options)


# Names and channels of the published networks, as segmentation libraries
# pick them by hand; the sizes follow from the stride.
LEVELS = {
    "VGG16": {
        1: "block1_conv2",
        2: "block2_conv2",
        4: "block3_conv3",
        8: "block4_conv3",
        16: "block5_conv3",
        32: "block5_pool",
    },
    "ResNet50": {
        2: "conv1_relu",
        4: "conv2_block3_out",
        8: "conv3_block4_out",
        16: "conv4_block6_out",
        32: "conv5_block3_out",
    },
    "ResNet50V2": {
        2: "conv1_conv",
        4: "conv2_block3_1_relu",
        8: "conv3_block4_1_relu",
        16: "conv4_block6_1_relu",
        32: "post_relu",
    },
    "MobileNetV2": {
        2: "block_1_expand_relu",
        4: "block_3_expand_relu",
        8: "block_6_expand_relu",
        16: "block_13_expand_relu",
        32: "out_relu",
    },
    "EfficientNetB0": {
        2: "block2a_expand_activation",
        4: "block3a_expand_activation",
        8: "block4a_expand_activation",
        16: "block6a_expand_activation",
        32: "top_activation",
    },
}


@pytest.mark.parametrize("include_top", [False, True])
@pytest.mark.parametrize("name", LEVELS)
def test_levels_of_published_networks(name, include_top):
    options = {"classes": 2} if name == "VGG16" else {}
    model = application(name, include_top=include_top, **options)
    levels = pyramid(model)
    assert list(levels) == list(LEVELS[name])
    for stride, layer_name in LEVELS[name].items():
        assert levels[stride] is model.get_layer(layer_name).output
        assert levels[stride].shape[1:3] == (64 // stride, 96 // stride)


def test_pools_of_vgg():
    model = application("VGG16", include_top=False)
    levels = pyramid(model, pools=True)
    for number, stride in enumerate((2, 4, 8, 16, 32), start=1):
        pool = model.get_layer(f"block{number}_pool").output
        assert levels[stride] is pool
    # ResNet's one max pool makes stride 4; its other levels are unchanged.
    model = application("ResNet50", include_top=False)
    levels = pyramid(model, pools=True)
    assert levels[4] is model.get_layer("pool1_pool").output
    assert levels[8] is model.get_layer("conv3_block4_out").output


def test_patches_that_stride_at_once():
    """ConvNeXt strides by 4 first, in inner models."""
    levels = pyramid(application("ConvNeXtTiny", include_top=False))
    assert {s: x.shape[1:] for s, x in levels.items()} == {
        4: (16, 24, 96),
        8: (8, 12, 192),
        16: (4, 6, 384),
        32: (2, 3, 768),
    }


def test_removed_strides_are_gone():
    model = application("MobileNetV2", include_top=False)
    assert list(pyramid(set_output_stride(model, 8))) == [2, 4, 8]


def test_refuses_decoders():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2)(image)
    model = keras.Model(image, layers.UpSampling2D(2, name="up")(x))
    with pytest.raises(ValueError, match="'up' .*enlarges its map"):
        pyramid(model)
    model = keras.Model(image, layers.Conv2D(4, 3, (2, 1), name="odd")(image))
    with pytest.raises(ValueError, match="strides of the layer 'odd' differ"):
        pyramid(model)
