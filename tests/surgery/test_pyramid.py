import keras
import pytest
from keras import layers

from keras_seg.applications import UNet
from keras_seg.surgery import inflate_input
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


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "include_top"),
    [*((name, False) for name in LEVELS), ("VGG16", True), ("ResNet50", True)],
)
def test_levels_of_published_networks(name, include_top):
    options = {"classes": 2} if name == "VGG16" else {}
    model = application(name, include_top=include_top, **options)
    levels = pyramid(model)
    assert list(levels) == list(LEVELS[name])
    for stride, layer_name in LEVELS[name].items():
        assert levels[stride] is model.get_layer(layer_name).output
        assert levels[stride].shape[1:3] == (64 // stride, 96 // stride)


@pytest.mark.once
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


@pytest.mark.once
def test_patches_that_stride_at_once():
    """ConvNeXt strides by 4 first, in inner models."""
    levels = pyramid(application("ConvNeXtTiny", include_top=False))
    assert {s: x.shape[1:] for s, x in levels.items()} == {
        4: (16, 24, 96),
        8: (8, 12, 192),
        16: (4, 6, 384),
        32: (2, 3, 768),
    }


@pytest.mark.once
def test_removed_strides_are_gone():
    model = application("MobileNetV2", include_top=False)
    assert list(pyramid(set_output_stride(model, 8))) == [2, 4, 8]


@pytest.mark.once
def test_refuses_decoders():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2)(image)
    model = keras.Model(image, layers.UpSampling2D(2, name="up")(x))
    with pytest.raises(ValueError, match="'up' .*enlarges its map"):
        pyramid(model)
    model = keras.Model(image, layers.Conv2D(4, 3, (2, 1), name="odd")(image))
    with pytest.raises(ValueError, match="strides of the layer 'odd' differ"):
        pyramid(model)


class Block(layers.Layer):
    """Two convolutions with a stride: one layer, as other packages have."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Conv2D(filters, 3, padding="same")
        self.second = layers.Conv2D(filters, 3, 2, padding="same")

    def build(self, shape):
        self.first.build(shape)
        self.second.build(self.first.compute_output_shape(shape))

    def call(self, x):
        x = self.first(x)
        return x, self.second(x)


def test_blocks_of_other_packages_are_measured():
    image = keras.Input((None, None, 3))
    fine, x = Block(4, name="one")(image)
    _, x = Block(6, name="two")(x)
    levels = pyramid(keras.Model(image, x))
    assert {s: t.shape[-1] for s, t in levels.items()} == {1: 4, 2: 6, 4: 6}
    assert levels[1] is fine and levels[4] is x


@pytest.mark.once
def test_slicing_is_a_stride():
    """The stem of CSPDarkNet stacks every other pixel."""
    image = keras.Input((None, None, 3))
    x = layers.Concatenate()([image[:, ::2, ::2], image[:, 1::2, 1::2]])
    x = layers.Conv2D(4, 3, 2, padding="same")(layers.Conv2D(5, 1)(x))
    assert list(pyramid(keras.Model(image, x))) == [2, 4]


@pytest.mark.once
def test_means_kept_as_maps_are_none():
    """A squeeze-and-excite block of operations has no stride."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same")(image)
    gate = keras.ops.mean(x, axis=(1, 2), keepdims=True)
    x = x * keras.ops.sigmoid(layers.Conv2D(4, 1)(gate))
    assert list(pyramid(keras.Model(image, x))) == [2]


def two_convolutions():
    """The stride is in the second; stride 1 and 2 have one map each."""
    image = keras.Input((None, None, 3))
    first = layers.Conv2D(4, 3, padding="same", name="first")(image)
    relu = layers.ReLU(name="relu")(first)
    last = layers.Conv2D(5, 3, 2, padding="same", name="last")(relu)
    return keras.Model(image, layers.ReLU(name="end")(last)), first, last


@pytest.mark.once
def test_maps_that_a_model_names():
    model, first, last = two_convolutions()
    assert pyramid(model)[1]._keras_history.operation.name == "relu"
    model.pyramid_outputs = {"low": first, "high": last}
    assert pyramid(model)[1] is first
    # The last map is the network's, whatever is named.
    assert pyramid(model)[2] is model.output
    dense = set_output_stride(model, 1)
    assert dense.pyramid_outputs["low"] is dense.get_layer("first").output
    assert dense.pyramid_outputs["high"] is dense.get_layer("last").output
    wider = inflate_input(model, 5)
    assert pyramid(wider)[1] is wider.get_layer("first").output


@pytest.mark.once
def test_refuses_sequences():
    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 8, 8)(image)
    tokens = layers.Reshape((16, 4), name="flat")(x)
    with pytest.raises(ValueError, match="'flat' .*makes a sequence"):
        pyramid(keras.Model(image, layers.Dense(5)(tokens)))
    back = layers.Reshape((4, 4, 4))(tokens)
    assert list(pyramid(keras.Model(image, x + back))) == [8]


class Windows(layers.Layer):
    """Says that it halves maps of any size, and leaves those of 16 alone."""

    def call(self, x):
        return x

    def compute_output_spec(self, x):
        _, height, width, channels = x.shape
        shape = (None, height // 2, width // 2, channels)
        return keras.KerasTensor(shape, x.dtype)


def test_strides_are_measured_on_the_maps():
    """As Swin's of other packages, whose stages know one resolution."""
    image = keras.Input((64, 64, 3))
    x = layers.Conv2D(4, 4, 4)(image)
    stage = Windows(name="stage")
    x = layers.Conv2D(6, 1)(stage(x))
    model = keras.Model(image, x)
    assert list(pyramid(model, verify=False)) == [4, 8]
    with pytest.raises(ValueError, match="stride 8 by its graph, and has 4 "):
        pyramid(model)
    with pytest.raises(ValueError, match="No pyramid can be found"):
        UNet(model, classes=2)
