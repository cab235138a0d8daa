import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from keras_seg.layers import AtrousConv
from keras_seg.surgery import set_output_stride
from tests.networks import application
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

BACKEND = keras.backend.backend()


def picture(height, width, channels=3):
    rng = np.random.default_rng(1)
    shape = (1, height, width, channels)
    return rng.uniform(-1, 1, shape).astype("float32")


def difference(model, dense, stride, x):
    """Between the old map and every k-th position of the dense one."""
    old, new = model.predict_on_batch(x), dense.predict_on_batch(x)
    return relative_difference(new[:, ::stride, ::stride], old)


# The invariant of the hole algorithm, on networks as they are published:
# 1e-5 is the bound for sums of float32 that differ in order.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("VGG16", marks=pytest.mark.once),
        pytest.param("ResNet50", marks=pytest.mark.once),
        "MobileNetV2",
    ],
)
def test_dense_maps_hold_the_strided_ones(name, parity):
    model = application(name, include_top=False, input_shape=(None, None, 3))
    # The graphs are everywhere alike; the others compile for every stride.
    cases = ((16, (64, 96)), (8, (97, 75)), (4, (64, 96)), (4, (97, 75)))
    for output_stride, size in cases if BACKEND == "torch" else cases[2:]:
        dense = set_output_stride(model, output_stride)
        x = picture(*size)
        assert difference(model, dense, 32 // output_stride, x) < 1e-5
    assert [layer.name for layer in model.layers if layer.weights] == [
        layer.name for layer in dense.layers if layer.weights
    ]
    if name == "MobileNetV2":
        parity(f"output_stride_4_{name}", outputs(dense, picture(65, 50)))


OTHER_NETWORKS = [
    pytest.param("ResNet101", marks=pytest.mark.slow),
    pytest.param("ResNet152V2", marks=pytest.mark.slow),
    "DenseNet121",
    "Xception",
    "MobileNet",
    "InceptionV3",
    "ConvNeXtTiny",
]


def skip_unless_chosen(name, chosen="torch"):
    if BACKEND != chosen:
        pytest.skip(f"{name} is checked on {chosen}")


@pytest.mark.once
@pytest.mark.parametrize("name", OTHER_NETWORKS)
def test_other_networks(name):
    model = application(name, include_top=False, input_shape=(None, None, 3))
    for output_stride, size in ((8, (80, 96)), (4, (107, 81))):
        dense = set_output_stride(model, output_stride)
        x = picture(*size)
        assert difference(model, dense, 32 // output_stride, x) < 1e-5


@pytest.mark.slow
def test_nasnet():
    """Keras has it for fixed sizes only, and not on PyTorch."""
    skip_unless_chosen("NASNetMobile", "tensorflow")
    size = (107, 81)
    model = application(
        "NASNetMobile", include_top=False, input_shape=(*size, 3)
    )
    dense = set_output_stride(model, 8)
    assert difference(model, dense, 4, picture(*size)) < 1e-5


@pytest.mark.once
@pytest.mark.parametrize(
    "name", ["EfficientNetB0", "EfficientNetV2B0", "MobileNetV3Small"]
)
def test_squeeze_and_excite_differs_a_little(name):
    """A mean over the dense map is not the mean over the strided one."""
    skip_unless_chosen(name)
    model = application(name, include_top=False, input_shape=(None, None, 3))
    with pytest.warns(UserWarning, match="differs by .* % of") as said:
        dense = set_output_stride(model, 8)
    assert sum(x.category is UserWarning for x in said) == 1
    x = 127.5 * picture(128, 160) + 127.5
    # Measured: 0.09 %, 0.2 % and 0.09 % of the largest value.
    assert 1e-5 < difference(model, dense, 4, x) < 5e-3


@pytest.mark.once
def test_fixed_input():
    model = application(
        "MobileNetV2", include_top=False, input_shape=(64, 96, 3)
    )
    dense = set_output_stride(model, 8)
    assert dense.input_shape == (None, None, None, 3)
    assert difference(model, dense, 4, picture(64, 96)) < 1e-5
    assert dense.predict_on_batch(picture(33, 47)).shape[-1] == 1280


@pytest.mark.once
def test_the_way_back(tmp_path):
    """Strides come back with the weights the dense network has by then."""
    middle = (
        layers.BatchNormalization(name="norm"),
        layers.ZeroPadding2D(((0, 1), (0, 1))),
        layers.DepthwiseConv2D(3, 2),
        layers.MaxPooling2D(2),
        layers.Conv2D(4, 3, padding="same"),
    )
    model = randomize(small(*middle))
    dense = set_output_stride(model, 4)
    denser = set_output_stride(dense, 2)
    randomize(denser, seed=1)
    denser.get_layer("first").trainable = False
    model.set_weights(denser.get_weights())
    x = picture(33, 47)
    for output_stride in (16, 8):
        back = set_output_stride(denser, output_stride)
        expected = outputs(set_output_stride(model, output_stride), x)
        np.testing.assert_array_equal(outputs(back, x), expected)
        assert not back.get_layer("first").trainable
        assert back.get_layer("norm").trainable
    # A clone knows the strides too, and a file.
    denser.save(tmp_path / "dense.keras")
    for again in (
        keras.models.clone_model(dense),
        keras.models.load_model(tmp_path / "dense.keras"),
    ):
        again.set_weights(denser.get_weights())
        back = outputs(set_output_stride(again, 8), x)
        np.testing.assert_array_equal(back, expected)


@st.composite
def encoders(draw):
    """A random encoder of every kind of layer that is carried."""
    image = keras.Input((None, None, 2))
    x = image
    stride = 1
    for _ in range(draw(st.integers(2, 4))):
        kernel = draw(st.integers(1, 4))
        step = draw(st.sampled_from([1, 2, 2, 3 if stride == 1 else 2]))
        padding = draw(st.sampled_from(["same", "valid"]))
        kind = draw(st.sampled_from(["conv", "depthwise", "separable", "max"]))
        if draw(st.booleans()):
            x = layers.ZeroPadding2D(((0, 1), (2, 1)))(x)
        if kind == "conv":
            x = layers.Conv2D(4, kernel, step, padding=padding)(x)
        elif kind == "depthwise":
            x = layers.DepthwiseConv2D(kernel, step, padding=padding)(x)
        elif kind == "separable":
            x = layers.SeparableConv2D(4, kernel, step, padding=padding)(x)
        else:
            x = layers.MaxPooling2D(kernel, step, padding=padding)(x)
        stride *= step
        if draw(st.booleans()):
            x = layers.BatchNormalization()(x)
            x = layers.LeakyReLU()(x)
        if draw(st.booleans()):
            branch = layers.Conv2D(x.shape[-1], 3, padding="same")(x)
            x = layers.Add()([x, branch])
    return randomize(keras.Model(image, x)), stride


@given(
    encoder=encoders(),
    output_stride=st.sampled_from([1, 2, 4]),
    height=st.integers(40, 70),
    width=st.integers(40, 70),
)
def test_any_encoder(encoder, output_stride, height, width):
    model, stride = encoder
    if stride < output_stride:
        return
    dense = set_output_stride(model, output_stride)
    x = picture(height, width, 2)
    old, new = outputs(model, x), outputs(dense, x)
    # Of strides such as 3, then 2, at output stride 2, the 2 is kept.
    reached = 1
    for layer in model.layers:
        step = getattr(layer, "strides", (1,))[0]
        if reached * step <= output_stride:
            reached *= step
    rate = stride // reached
    new = new[:, ::rate, ::rate]
    scale = np.abs(old).max() + 1e-6
    assert new.shape == old.shape
    assert np.abs(new - old).max() / scale < 1e-4


def small(*middle):
    """Two strided convolutions with other layers in between."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", name="first")(image)
    for layer in middle:
        x = layer(x)
    return keras.Model(image, layers.Conv2D(5, 3, 2, padding="same")(x))


def check_small(model, output_stride=2):
    randomize(model)
    dense = set_output_stride(model, output_stride)
    # The others compile for every size.
    for size in ((33, 40), (32, 43))[: 2 if BACKEND == "torch" else 1]:
        x = picture(*size)
        assert difference(model, dense, 4 // output_stride, x) < 1e-5


def test_average_pooling_with_padding():
    check_small(small(layers.AveragePooling2D(3, 1, padding="same")), 1)
    check_small(small(layers.AveragePooling2D(2, 1, padding="valid")), 1)


def test_our_own_convolution():
    """Padded or not, of odd and even kernels, and separable."""
    check_small(
        small(
            AtrousConv(4, 3, dilation_rate=2, activation="relu"),
            AtrousConv(4, (5, 3), padding="valid"),
            AtrousConv(4, 4, dilation_rate=2),
            AtrousConv(4, 3, 3, padding=(1, 4), separable=True),
            AtrousConv(4, 3, 2),
        ),
        1,
    )
    uneven = small(layers.Conv2D(4, 3, 2, padding="same"), AtrousConv(4, 2))
    with pytest.raises(ValueError, match="behind an even kernel"):
        set_output_stride(uneven, 1)


def test_operations_that_pad():
    """As pre-activation ResNets of keras-hub pad their max pooling."""

    def pad(x):
        width = [[0, 0], [1, 1], [1, 2], [0, 0]]
        return keras.ops.pad(x, width, constant_values=float("-inf"))

    pooling = (layers.Conv2D(4, 3, 2), pad, layers.MaxPooling2D(3, 2))
    model = randomize(small(*pooling))
    for output_stride in (4, 2):
        dense = set_output_stride(model, output_stride)
        for size in ((48, 56), (49, 59)):
            x = picture(*size)
            k = 16 // output_stride
            assert difference(model, dense, k, x) < 1e-5

    def reflect(x):
        return keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "reflect")

    with pytest.raises(ValueError, match="pads by what is there"):
        set_output_stride(small(reflect), 1)
    set_output_stride(small(reflect), 2)

    def deepen(x):
        return keras.ops.pad(x, [[0, 0], [0, 0], [0, 0], [0, 1]])

    with pytest.raises(ValueError, match="pads more than maps"):
        set_output_stride(small(deepen), 1)


@pytest.mark.once
def test_operations_that_split_channels():
    def split(x):
        one, two = keras.ops.split(x, 2, axis=-1)
        return keras.ops.concatenate([two, layers.ReLU()(one)], axis=3)

    check_small(small(split), 1)

    def halve(x):
        return keras.ops.split(x, [2], axis=1)[0]

    with pytest.raises(ValueError, match="neither a convolution"):
        set_output_stride(small(halve), 1)


@pytest.mark.once
def test_inner_models_keep_their_layers():
    inner = keras.Sequential(
        [
            keras.Input((16, 16, 4)),
            layers.Conv2D(6, 3, 2, padding="same"),
            layers.ReLU(),
        ],
        name="inner",
    )
    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, 2, padding="same")(image)
    x = inner(x, training=False)
    model = randomize(keras.Model(image, layers.Conv2D(5, 3, 2)(x)))
    dense = set_output_stride(model, 4)
    names = [layer.name for layer in dense.get_layer("inner").layers[1:]]
    assert names == [layer.name for layer in inner.layers]
    assert difference(model, dense, 2, picture(32, 32)) < 1e-5


@pytest.mark.once
def test_operators_and_grouped_convolutions():
    image = keras.Input((None, None, 4))
    x = layers.Conv2D(8, 3, 2, padding="same")(image)
    x = keras.ops.relu(x) * 2.0 + 1.0
    y = layers.Conv2D(8, 3, groups=4, padding="same")(x)
    x = layers.Concatenate()([x, x - y])
    model = randomize(
        keras.Model(image, layers.Conv2D(3, 3, 2, padding="same")(x))
    )
    dense = set_output_stride(model, 2)
    assert difference(model, dense, 2, picture(33, 40, 4)) < 1e-5
    again = set_output_stride(dense, 1)
    assert difference(model, again, 4, picture(33, 40, 4)) < 1e-5


def check_channels_first(model, stride):
    dense = set_output_stride(model, 4)
    x = np.moveaxis(picture(65, 64), -1, 1)
    k = stride // 4
    old, new = outputs(model, x), outputs(dense, x)
    assert relative_difference(new[:, :, ::k, ::k], old) < 1e-5


@pytest.mark.once
def test_a_network_of_channels_first():
    keras.config.set_image_data_format("channels_first")
    model = application(
        "MobileNetV2", include_top=False, input_shape=(3, None, None)
    )
    keras.config.set_image_data_format("channels_last")
    check_channels_first(model, 32)


def test_channels_first():
    keras.config.set_image_data_format("channels_first")
    x = image = keras.Input((3, None, None))
    for layer in (
        layers.Conv2D(4, 3, 2, padding="same", use_bias=False),
        layers.BatchNormalization(axis=1),
        layers.ZeroPadding2D(((0, 1), (0, 1))),
        layers.DepthwiseConv2D(3, 2),
        layers.MaxPooling2D(3, 2, padding="same"),
        layers.Conv2D(5, 3, 2),
        layers.ReLU(6),
        layers.Conv2D(4, 3, padding="same"),
    ):
        x = layer(x)
    keras.config.set_image_data_format("channels_last")
    check_channels_first(randomize(keras.Model(image, x)), 16)


@pytest.mark.once
def test_saves_and_loads_safely(tmp_path):
    model = application(
        "MobileNetV2", include_top=False, input_shape=(None, None, 3)
    )
    dense = set_output_stride(model, 8)
    dense.save(tmp_path / "dense.keras")
    loaded = keras.saving.load_model(tmp_path / "dense.keras", safe_mode=True)
    x = picture(33, 64)
    np.testing.assert_array_equal(outputs(loaded, x), outputs(dense, x))


@pytest.mark.once
@pytest.mark.parametrize(
    "layer, reason",
    [
        (layers.Conv2DTranspose(4, 2, name="up"), "neither a convolution"),
        (layers.UpSampling2D(2, name="up"), "neither a convolution"),
        (layers.Permute((2, 1, 3), name="up"), "neither a convolution"),
        (layers.Softmax(axis=1, name="up"), "neither a convolution"),
        (layers.Conv2D(4, 3, (1, 2), name="up"), "strides differ"),
    ],
)
def test_refuses_by_name(layer, reason):
    with pytest.raises(ValueError, match=f"'up' .*{reason}"):
        set_output_stride(small(layer), 2)


@pytest.mark.once
def test_an_encoder_of_two_images():
    """Change detection: one encoder, called twice, keeps its weights."""
    encoder = small()
    images = [keras.Input((None, None, 3)) for _ in range(2)]
    model = keras.Model(
        images, layers.Subtract()([encoder(image) for image in images])
    )
    randomize(model)
    dense = set_output_stride(model, 2)
    assert dense.count_params() == model.count_params()
    rng = np.random.default_rng(0)
    x = [rng.uniform(0, 255, (1, 33, 41, 3)).astype("float32") for _ in "ab"]
    expected = keras.ops.convert_to_numpy(model(x))
    found = keras.ops.convert_to_numpy(dense(x))[:, ::2, ::2]
    np.testing.assert_allclose(
        found, expected, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.once
def test_refuses_a_layer_used_at_two_rates():
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    image = keras.Input((None, None, 3))
    x = shared(image)
    x = layers.MaxPooling2D(2)(x)
    model = keras.Model(image, shared(x))
    with pytest.raises(ValueError, match="'shared' is used twice"):
        set_output_stride(model, 1)


@pytest.mark.once
@pytest.mark.parametrize("output_stride", [0, 3, 64, "8", True, None])
def test_bad_output_stride(output_stride):
    with pytest.raises(ValueError, match="Received: output_stride="):
        set_output_stride(small(), output_stride)


@pytest.mark.once
def test_strides_can_not_be_added():
    with pytest.raises(ValueError, match="output stride of .* is 4: strides"):
        set_output_stride(small(), 8)


@pytest.mark.once
def test_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="needs a functional Keras model"):
        set_output_stride(Subclassed(), 8)
