import math
from fractions import Fraction

import keras
import pytest
from keras import layers

import keras_seg
from keras_seg.applications import DeepLabV1
from keras_seg.applications import DeepLabV2
from keras_seg.applications import DeepLabV3Plus
from keras_seg.applications import FCN8s
from keras_seg.applications import FCN16s
from keras_seg.applications import FCN32s
from keras_seg.applications import SegNet
from keras_seg.applications import UNet
from keras_seg.layers import AlignedScale
from keras_seg.surgery import decimate
from keras_seg.surgery import fully_convolutional
from keras_seg.surgery import receptive_field
from keras_seg.surgery import set_output_stride
from keras_seg.surgery.receptive_field import ReceptiveField
from tests.dependence import check_rows
from tests.dependence import make_positive
from tests.dependence import rows_seen
from tests.dependence import seen
from tests.dependence import sides_of

# Each rule is tried on every backend in test_receptive_field_rules.py.
pytestmark = pytest.mark.once


def vgg16(size=None, filters=1):
    """VGG16's layers with hardly any filters; with a size, a classifier."""
    x = image = keras.Input((size, size, 3))
    for block, count in enumerate((2, 2, 3, 3, 3), start=1):
        for number in range(1, count + 1):
            name = f"conv{block}_{number}"
            x = layers.Conv2D(filters, 3, padding="same", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"pool{block}")(x)
    if size is None:
        return keras.Model(image, x)
    x = layers.Flatten()(x)
    x = layers.Dense(4, name="fc6")(x)
    x = layers.Dense(4, name="fc7")(x)
    return keras.Model(image, layers.Dense(2, name="fc8")(x))


# Sizes and strides that the papers print (FCN's table 1, DeepLab), and the
# padding in front by https://github.com/google-research/receptive_field.
VGG16 = {
    "pool1": (6, 2, 2),
    "pool2": (16, 4, 6),
    "pool3": (44, 8, 18),
    "pool4": (100, 16, 42),
    "pool5": (212, 32, 90),
}


@pytest.mark.parametrize("pool", VGG16)
def test_pools_of_vgg16(pool):
    size, stride, padding = VGG16[pool]
    field = receptive_field(vgg16(), pool)
    assert (field.size, field.stride) == (size, stride)
    assert field.center == (size - 1) / 2 - padding


def test_fc6_of_vgg16():
    """404 pixels, at stride 32: FCN's table 1 and DeepLab."""
    network = fully_convolutional(vgg16(224))
    for name in ("fc6", "fc7", "fc8"):
        field = receptive_field(network, name)
        assert (field.size, field.stride) == (404, 32)


# The taps of fc6 and their distance; the field with VGG's own pools, whose
# windows got the holes that the removed strides left, and in the released
# network: 3×3 pools, one more in front of fc6. From size + (k - 1) · r · s.
FC6 = [
    (7, 4, 404, 435),
    (4, 4, 308, 339),
    (4, 8, 404, 435),
    (3, 12, 404, 435),
    (3, 3, 260, 291),
]


@pytest.mark.parametrize("kernel_size, rate, plain, _", FC6)
def test_fc6_of_deeplab(kernel_size, rate, plain, _):
    network = set_output_stride(fully_convolutional(vgg16(224)), 8)
    network = decimate(
        network, "fc6", kernel_size=kernel_size, dilation_rate=rate
    )
    field = receptive_field(network, "fc6")
    assert (field.size, field.stride) == (plain, 8)


@pytest.mark.parametrize("kernel_size, rate, _, released", FC6)
def test_fc6_of_the_released_deeplab(kernel_size, rate, _, released):
    model = DeepLabV1(
        vgg16(224),
        kernel_size=kernel_size,
        dilation_rate=rate,
        filters=2,
    )
    field = receptive_field(model, "fc6")
    assert (field.size, field.stride, field.center) == (released, 8, 0)
    # Of the whole network, pixels between two positions see both.
    field = receptive_field(model)
    assert (field.size, field.stride, field.center) == (released + 8, 1, 0)


@pytest.mark.parametrize(
    "kernel_size, rate, side",
    [
        (7, 4, 25),
        (4, 4, 13),
        (4, 8, 25),
        (3, 3, 7),
        (3, 6, 13),
        (3, 12, 25),
        (3, 18, 37),
        (3, 24, 49),
    ],
)
def test_kernel_with_holes(kernel_size, rate, side):
    """k + (k - 1)(r - 1), as wide as a kernel of so many taps."""
    image = keras.Input((None, None, 1))
    hole = layers.Conv2D(1, kernel_size, dilation_rate=rate)(image)
    full = layers.Conv2D(1, side)(image)
    field = receptive_field(keras.Model(image, hole))
    assert field == receptive_field(keras.Model(image, full))
    assert field.size == side


# Of TF-Slim's networks with the same layers as those of Keras, from the table
# of https://github.com/google-research/receptive_field: size, stride and the
# padding in front. Keras pads its ResNets as TF-Slim for odd sizes (321) and
# its MobileNet as for even ones (224), whatever the size is.
PUBLISHED = {
    "ResNet50": (483, 32, 241),
    "ResNet101": (1027, 32, 513),
    "InceptionV3": (1311, 32, 618),
    "MobileNet": (315, 32, 126),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks(name):
    size, stride, padding = PUBLISHED[name]
    options = {"include_top": False, "input_shape": (None, None, 3)}
    model = getattr(keras.applications, name)(weights=None, **options)
    field = receptive_field(model)
    assert (field.size, field.stride) == (size, stride)
    assert field.center == (size - 1) / 2 - padding


def test_segnet_basic():
    """106×106: the paper on SegNet, of its small network's encoder."""
    x = image = keras.Input((None, None, 3))
    for _ in range(4):
        x = layers.Conv2D(1, 7, padding="same")(x)
        x = layers.MaxPooling2D(2)(x)
    assert receptive_field(keras.Model(image, x)).size == 106


def test_sliding_window():
    """Ciresan's N4 sees the windows of 95×95 it was made to classify."""
    x = image = keras.Input((95, 95, 1))
    for size in (4, 5, 4, 4):
        x = layers.Conv2D(1, size)(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dense(2)(layers.Flatten()(x))
    network = fully_convolutional(keras.Model(image, x))
    assert receptive_field(network) == ReceptiveField(95, 16, 47)
    dense = set_output_stride(network, 1)
    assert receptive_field(dense) == ReceptiveField(95, 1, 47)


def test_squeeze_and_excite_sees_the_image():
    model = keras.applications.MobileNetV3Small(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    assert receptive_field(model).size == math.inf
    local = receptive_field(model, global_pooling=False)
    # Table 2 of https://arxiv.org/abs/1905.02244: kernels at their strides.
    kernels = [(3, 1), (3, 2), (3, 4), (3, 8), (5, 8), *[(5, 16)] * 5]
    kernels += [(5, 32)] * 2
    assert local.size == 1 + sum((k - 1) * stride for k, stride in kernels)
    assert local.stride == receptive_field(model).stride == 32


def test_group_norm_sees_the_image():
    image = keras.Input((None, None, 4))
    x = layers.Conv2D(4, 3)(image)
    model = keras.Model(image, layers.GroupNormalization(2)(x))
    assert receptive_field(model).size == math.inf
    assert receptive_field(model, global_pooling=False).size == 3


def test_classifiers_see_the_image():
    assert receptive_field(vgg16(64)) == ReceptiveField(math.inf, None, None)
    assert receptive_field(vgg16(64), "pool5").size == 212
    with pytest.raises(ValueError, match="Received: global_pooling=False"):
        receptive_field(vgg16(64), global_pooling=False)


def test_rows_and_columns_may_differ():
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(1, (3, 5), (1, 2))(image)
    field = receptive_field(keras.Model(image, x))
    assert field == ReceptiveField((3, 5), (1, 2), (1, 2))


def test_numbers_are_exact():
    image = keras.Input((None, None, 1))
    model = keras.Model(image, AlignedScale(0.75)(image))
    assert receptive_field(model).stride == Fraction(4, 3)
    model = keras.Model(image, layers.UpSampling2D(2)(image))
    assert receptive_field(model) == ReceptiveField(1, 0.5, -0.25)


def test_layer_or_tensor():
    model = vgg16()
    field = receptive_field(model, "pool2")
    layer = model.get_layer("pool2")
    assert receptive_field(model, layer) == field
    assert receptive_field(model, layer.output) == field
    assert receptive_field(model, model.inputs[0]) == ReceptiveField(1, 1, 0)
    assert keras_seg.receptive_field is receptive_field


def test_inner_models():
    encoder = vgg16()
    image = keras.Input((64, 64, 3))
    x = encoder(layers.Conv2D(3, 3, padding="same")(image), training=False)
    assert receptive_field(keras.Model(image, x)).size == 212 + 2
    sequential = keras.Sequential([keras.Input((9, 9, 1)), layers.Conv2D(1, 4)])
    assert receptive_field(sequential).size == 4


def test_channels_first():
    image = keras.Input((3, 32, 32))
    options = {"data_format": "channels_first"}
    x = layers.Conv2D(1, (3, 5), **options)(image)
    x = layers.MaxPooling2D(2, **options)(x)
    x = layers.Softmax()(layers.Permute((2, 3, 1))(x))
    field = receptive_field(keras.Model(image, x))
    assert field == ReceptiveField((4, 6), 2, (1.5, 2.5))
    x = layers.Conv2D(1, 3, data_format="channels_last", name="last")(x)
    assert receptive_field(keras.Model(image, x)).size == (8, 10)
    x = layers.Conv2D(1, 1, name="odd", **options)(x)
    with pytest.raises(ValueError, match="'odd' .*'channels_first', that of"):
        receptive_field(keras.Model(image, x))


def test_several_outputs():
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(1, 3)(image)
    model = keras.Model(image, {"low": x, "high": layers.Conv2D(1, 3)(x)})
    fields = receptive_field(model)
    assert (fields["low"].size, fields["high"].size) == (3, 5)


@pytest.mark.parametrize(
    "layer, reason",
    [
        (layers.Resizing(7, 7, name="odd"), "no kind of layer whose window"),
        (layers.Reshape((-1, 2), name="odd"), "no kind of layer whose window"),
        (layers.Softmax(axis=1, name="odd"), "no kind of layer whose window"),
        (layers.Permute((2, 1, 3), name="odd"), "more than move the channels"),
    ],
)
def test_refuses_by_name(layer, reason):
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(2, 3, name="before")(image)
    model = keras.Model(image, layer(x))
    with pytest.raises(ValueError, match=f"'odd' .*{reason}"):
        receptive_field(model)
    # What comes before it can be told.
    assert receptive_field(model, "before").size == 3


def test_refuses_to_join_strides():
    image = keras.Input((8, 8, 1))
    narrow = layers.Conv2D(1, 1, 2)(image)
    wide = layers.Cropping2D(2)(image)
    model = keras.Model(image, layers.Add(name="join")([narrow, wide]))
    with pytest.raises(ValueError, match="'join' .* strides 2 × 2 and 1 × 1"):
        receptive_field(model)


def test_bad_layers():
    model = vgg16()
    with pytest.raises(ValueError, match="Received: layer='fc6'"):
        receptive_field(model, "fc6")
    for other in (vgg16().output, layers.ReLU(name="other"), 3):
        with pytest.raises(ValueError, match="`layer` must be the name"):
            receptive_field(model, other)
    image = keras.Input((None, None, 1))
    shared = layers.Conv2D(1, 3, name="shared")
    model = keras.Model(image, shared(shared(image)))
    with pytest.raises(ValueError, match="'shared' is used several times"):
        receptive_field(model, "shared")
    assert receptive_field(model).size == 5


def test_bad_models():
    vector = keras.Input((8,))
    with pytest.raises(ValueError, match=r"must be maps: .*\(None, 8\)"):
        receptive_field(keras.Model(vector, layers.Dense(2)(vector)))
    with pytest.raises(ValueError, match="needs a functional Keras model"):
        receptive_field(layers.ReLU())


def encoder(strides, *, pools=True, size=None):
    """A small network whose maps have all strides; with a size, a VGG."""
    x = image = keras.Input((size, size, 3))
    for _ in range(strides):
        x = layers.Conv2D(2, 3, 1 if pools else 2, padding="same")(x)
        if pools:
            x = layers.MaxPooling2D(2)(x)
    if size is None:
        return keras.Model(image, x)
    x = layers.Dense(2)(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(2)(layers.Dense(2)(x)))


PLAIN = {"weights": None, "classes": 1}


def pixels_seen(model, height, width=32):
    """The most rows that one pixel sees, every pixel checked."""
    return check_rows(make_positive(model), height, width)


# A pixel sees two neighbors at stride 32, and if these lie between others
# of stride 16 or 8, these and the next two.
NEIGHBORS = [(FCN32s, 32), (FCN16s, 64), (FCN8s, 64)]


@pytest.mark.parametrize("system, neighbors", NEIGHBORS)
def test_fcn(system, neighbors):
    model = system(encoder(5), **PLAIN)
    field = receptive_field(model)
    # At 1, 2, …, 16 pixels, a convolution sees two more, a pool one.
    assert field.size == 1 + 3 * 31 + neighbors
    assert (field.stride, field.center) == (1, 0)
    assert pixels_seen(model, 256) == field.size


@pytest.mark.parametrize("system, neighbors", NEIGHBORS)
def test_fcn_with_the_published_geometry(system, neighbors):
    """The 7×7 windows of fc6, unpadded; the offsets undo the padding."""
    model = system(encoder(5, size=224), geometry="paper", **PLAIN)
    field = receptive_field(model)
    assert field.size == 1 + 3 * 31 + 6 * 32 + neighbors
    assert (field.stride, field.center) == (1, 0)
    if system is FCN8s:
        assert pixels_seen(model, 384, 8) == field.size


def test_unet():
    model = UNet(filters=2, depth=2, include_preprocessing=False, **PLAIN)
    field = receptive_field(model)
    assert (field.stride, field.center) == (1, 0)
    assert pixels_seen(model, 64) == field.size


def test_unpadded_unet():
    """n pixels give logits for the n - 184 in the middle; 188 give 4."""
    field = receptive_field(UNet(filters=1, padding="valid", **PLAIN))
    assert (field.stride, field.center) == (1, 184 / 2)
    model = make_positive(
        UNet(filters=1, padding="valid", input_shape=(220, 188, 1), **PLAIN)
    )
    rows, columns = sides_of(model, 220, 188)
    assert (rows.size, columns.size) == (36, 4)
    seen_by_columns = [columns.at(i) for i in range(4)]
    assert min(first for first, _ in seen_by_columns) == 0
    assert max(last for _, last in seen_by_columns) == 188 - 1
    matrix = rows_seen(model, 220, 188)
    assert [seen(mask) for mask in matrix] == [rows.at(i) for i in range(36)]
    assert max(last - first + 1 for first, last in map(seen, matrix)) == (
        field.size
    )


def test_segnet():
    """fc-free VGG: pool5 sees 212; each unpooling and decoder adds."""
    model = SegNet(weights=None, filters=1, include_preprocessing=False)
    field = receptive_field(model)
    # The decoder's convolutions: 3 at 16, 3 at 8, 3 at 4, 2 at 2, 2 at 1
    # pixels see as far as the encoder's; the window adds nothing.
    assert field.size == 212 + 2 * (3 * 16 + 3 * 8 + 3 * 4 + 2 * 2 + 2 * 1) + 12
    assert (field.stride, field.center) == (1, 0)


@pytest.mark.parametrize("scales", [(1.0,), (1.0, 0.75, 0.5)])
def test_deeplab_v2(scales):
    network = encoder(4, pools=False)
    model = DeepLabV2(network, atrous_rates=(1, 2), scales=scales, **PLAIN)
    field = receptive_field(model)
    # 2 at 1, 2, 4, 8 pixels, 4 positions at the rate of 2, a neighbor: at
    # half the size twice as much, and the neighbors of both resizings.
    assert field.stride == 1
    if scales == (1.0,):
        assert field.size == 1 + 2 * 15 + 4 * 8 + 8
    assert pixels_seen(model, 257, 33) == field.size


def test_deeplab_v3_plus():
    network = encoder(4, pools=False)
    options = {"atrous_rates": (1, 2), "output_stride": 16, **PLAIN}
    assert receptive_field(DeepLabV3Plus(network, **options)).size == math.inf
    field = receptive_field(
        DeepLabV3Plus(network, **options), global_pooling=False
    )
    # 31 of the encoder, 4 · 16 of the pyramid; the decoder's 5 positions at
    # stride 4 lie between 3 of stride 16, and so do 6 of them.
    assert field.size == 31 + 4 * 16 + 2 * 16
    assert (field.stride, field.center) == (1, 0)
