import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from keras_seg.layers import ASPP
from keras_seg.layers import AtrousConv
from keras_seg.layers import BedOfNails
from keras_seg.layers import BilinearConvTranspose
from keras_seg.layers import BilinearUpsampling
from keras_seg.layers import CropLike
from keras_seg.layers import MaxPoolWithIndices
from keras_seg.layers import MaxUnpool
from keras_seg.layers import NearestUpsampling
from keras_seg.layers import ResizeLike
from keras_seg.surgery import receptive_field
from keras_seg.surgery import set_output_stride
from tests.dependence import check_rows
from tests.dependence import make_positive
from tests.dependence import rows_seen
from tests.dependence import seen
from tests.gradients import gradient


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


# TensorFlow 2.21 on a CPU: oneDNN's gradient of a 1×1 convolution with a
# stride writes beyond its memory, and the process aborts.
NO_STRIDED_1X1 = keras.backend.backend() == "tensorflow"

KERNELS = st.tuples(st.integers(1, 5), st.integers(1, 5))
STRIDES = st.tuples(st.integers(1, 2), st.integers(1, 2))
PADDINGS = st.sampled_from(["same", "valid"])


@st.composite
def layer_plans(draw):
    """A layer as `(class, arguments)`, to be made for several sizes."""
    kind = draw(
        st.sampled_from(
            ["conv", "conv", "depthwise", "separable", "pool", "hole", "pad"]
        )
    )
    kernel, strides = draw(KERNELS), draw(STRIDES)
    if kernel == (1, 1) and NO_STRIDED_1X1:
        strides = (1, 1)
    options = {"padding": draw(PADDINGS)}
    if strides == (1, 1):
        options["dilation_rate"] = draw(st.integers(1, 3))
    if kind == "conv":
        return layers.Conv2D, {
            "filters": 1,
            "kernel_size": kernel,
            "strides": strides,
            **options,
        }
    if kind == "depthwise":
        # TensorFlow's depthwise convolution has equal strides only.
        return layers.DepthwiseConv2D, {
            "kernel_size": kernel,
            "strides": strides[0],
            "padding": options["padding"],
        }
    if kind == "separable":
        return layers.SeparableConv2D, {
            "filters": 1,
            "kernel_size": kernel,
            "strides": strides[0],
            "padding": options["padding"],
        }
    if kind == "pool":
        return layers.AveragePooling2D, {
            "pool_size": kernel,
            "strides": strides,
            "padding": options["padding"],
        }
    if kind == "hole":
        return AtrousConv, {
            "filters": 1,
            "kernel_size": kernel,
            "dilation_rate": draw(st.integers(1, 3)),
            "padding": draw(st.sampled_from(["same", "valid", 2, (0, 3)])),
        }
    amount = st.integers(0, 3)
    sides = tuple((draw(amount), draw(amount)) for _ in range(2))
    if draw(st.booleans()):
        return layers.ZeroPadding2D, {"padding": sides}
    return layers.Cropping2D, {"cropping": sides}


@st.composite
def networks(draw):
    """A function from the size of the image to a network, none cancels."""
    plans = draw(st.lists(layer_plans(), min_size=1, max_size=3))
    skips = [draw(KERNELS) if draw(st.booleans()) else None for _ in plans]
    stride, fork = draw(st.integers(1, 2)), draw(st.booleans())

    def build(height, width):
        x = image = keras.Input((height, width, 1))
        for (layer_class, options), skip in zip(plans, skips, strict=True):
            x = layer_class(**options)(x)
            if skip is not None:
                branch = layers.Conv2D(x.shape[-1], skip, padding="same")(x)
                x = layers.Add()([x, branch])
        if fork:
            branches = [
                layers.Conv2D(1, size, stride, padding="same")(x)
                for size in (2 if NO_STRIDED_1X1 else 1, 4)
            ]
            x = layers.Concatenate()(branches)
        return make_positive(keras.Model(image, x))

    return build


@given(build=networks(), more=st.tuples(st.integers(0, 7), st.integers(0, 7)))
def test_is_the_support_of_the_gradient(build, more):
    """One output in the middle, of an image of any parity."""
    field = receptive_field(build(None, None))
    size = [
        width + 4 * stride + 16 + extra
        for width, stride, extra in zip(
            pair(field.size), pair(field.stride), more, strict=True
        )
    ]
    model = build(*size)
    field = receptive_field(model)
    position, expected = [], []
    for length, width, stride, center in zip(
        size, *map(pair, (field.size, field.stride, field.center)), strict=True
    ):
        position.append(round((length / 2 - center) / stride))
        middle = center + position[-1] * stride
        expected.append((middle - (width - 1) / 2, middle + (width - 1) / 2))
        assert 0 <= expected[-1][0] and expected[-1][1] < length
    shape = model.output_shape[1:]
    weights = np.zeros((1, *shape), "float32")
    weights[0, position[0], position[1]] = 1
    found = gradient(model, np.ones((1, *size, 1), "float32"), weights)
    found = found[0, :, :, 0] != 0
    assert [seen(found.any(axis=1)), seen(found.any(axis=0))] == expected


# Effective padding is the part of the first field before the image.
@pytest.mark.once
@pytest.mark.parametrize("size, padding", [(224, 126), (321, 157)])
def test_padding_follows_the_parity_of_the_size(size, padding):
    """MobileNet v1 of TF-Slim, all padded "same": 315 pixels.

    Source: the table of https://github.com/google-research/receptive_field.
    """
    x = image = keras.Input((size, size, 1))
    for stride in (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1):
        x = layers.Conv2D(1, 3, stride, padding="same")(x)
    field = receptive_field(keras.Model(image, x))
    assert (field.size, field.stride) == (315, 32)
    assert field.center == (315 - 1) / 2 - padding


@pytest.mark.once
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [None, 97, 100])
def test_removed_strides_leave_the_field(padding, size):
    """What set_output_stride promises: the old output, at more places."""
    x = image = keras.Input((size, size, 1))
    for number in range(3):
        x = layers.ZeroPadding2D(((0, 1), (1, 0)))(x)
        x = layers.Conv2D(1, 4 - number, 2, padding=padding)(x)
        x = layers.AveragePooling2D(3, 1, padding="same")(x)
        x = layers.MaxPooling2D(2, 1 + number % 2, padding=padding)(x)
    model = keras.Model(image, x)
    field = receptive_field(model)
    assert field.stride == 16
    for stride in (1, 2, 4, 8):
        dense = set_output_stride(model, stride)
        if size is not None:
            # The dense network is for any size: at this one it is asked.
            image = keras.Input((size, size, 1))
            dense = keras.Model(image, dense(image))
        of_dense = receptive_field(dense)
        assert of_dense.stride == stride
        assert of_dense.size == field.size
        assert of_dense.center == field.center


@pytest.mark.once
def test_pools_with_switches_see_what_pools_see():
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(1, 3)(image)
    pooled, switches = MaxPoolWithIndices(3, 2)(x)
    fields = receptive_field(keras.Model(image, [pooled, switches]))
    pool = layers.MaxPooling2D(3, 2)(x)
    assert fields == [receptive_field(keras.Model(image, pool))] * 2


@pytest.mark.once
@pytest.mark.parametrize("version", ["v2", "v2_vgg16"])
def test_pyramid_sees_its_largest_rate(version):
    image = keras.Input((24, 6, 1))
    x = ASPP(1, (1, 5, 3), version, hidden_filters=2)(image)
    model = make_positive(keras.Model(image, x))
    field = receptive_field(model)
    assert (field.size, field.center) == (11, 0)
    assert seen(rows_seen(model, 24, 6)[12]) == (7, 17)


@pytest.mark.once
def test_image_pooling_sees_the_image():
    image = keras.Input((24, 6, 1))
    x = layers.Conv2D(1, 3, 2, padding="same")(image)
    x = ASPP(8, (1, 2), dropout=0)(x)
    model = make_positive(keras.Model(image, x))
    assert rows_seen(model, 24, 6).all()
    field = receptive_field(model)
    assert (field.size, field.stride) == (math.inf, 2)
    local = receptive_field(model, global_pooling=False)
    assert (local.size, local.stride, local.center) == (11, 2, field.center)


def transposed(draw):
    stride, kernel_size = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    return layers.Conv2DTranspose(
        1,
        kernel_size,
        stride,
        padding=draw(st.sampled_from(["same", "valid"])),
        output_padding=draw(
            st.sampled_from(output_paddings(kernel_size, stride))
        ),
    )


def output_paddings(kernel_size, stride):
    """Those that TensorFlow takes: n positions become n · stride at most."""
    return [None, *range(1 - kernel_size % 2, stride)]


def interpolating(draw):
    factor = draw(st.integers(1, 3))
    return BilinearConvTranspose(
        factor=factor,
        kernel_size=factor + draw(st.integers(0, 4)),
        padding=draw(st.sampled_from(["same", "valid"])),
    )


def bilinear(draw):
    # By these, floats are exact, and no weight is nearly zero.
    factor = draw(st.sampled_from([1, 2, 4]))
    if draw(st.booleans()):
        return BilinearUpsampling(factor)
    return layers.UpSampling2D(factor, interpolation="bilinear")


def nearest(draw):
    kind = draw(
        st.sampled_from([BedOfNails, NearestUpsampling, layers.UpSampling2D])
    )
    return kind(draw(st.integers(1, 3)))


@st.composite
def decoders(draw):
    """Shrinks, enlarges by some layer, convolves; perhaps enlarges again."""
    image = keras.Input((72, 4, 1))
    x = layers.Conv2D(
        1, draw(st.integers(1, 3)), draw(st.integers(1, 2)), padding="same"
    )(image)
    for _ in range(draw(st.integers(1, 2))):
        kinds = [transposed, interpolating, bilinear, nearest]
        x = draw(st.sampled_from(kinds))(draw)(x)
        size, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        x = layers.Conv2D(1, size, stride, padding="same")(x)
    return make_positive(keras.Model(image, x))


@given(model=decoders())
def test_every_row_sees_what_is_said(model):
    check_rows(model, 72, 4)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_crops_of_transposed_convolutions(stride, padding):
    if keras.backend.backend() == "jax":
        pytest.skip("a compilation for each: some are drawn above")
    image = keras.Input((12, 3, 1))
    for kernel_size in (1, 2, 3, 4, 5):
        for output_padding in output_paddings(kernel_size, stride):
            enlarge = layers.Conv2DTranspose(
                1,
                kernel_size,
                stride,
                padding=padding,
                output_padding=output_padding,
            )
            check_rows(make_positive(keras.Model(image, enlarge(image))), 12, 3)


@pytest.mark.parametrize("align_corners, height", [(True, 49), (False, 48)])
def test_resizing_to_another_map(align_corners, height):
    image = keras.Input((height, height, 1))
    low = layers.Conv2D(1, 3, 2, padding="same")(image)
    x = layers.Conv2D(1, 3, 2, padding="same")(low)
    x = layers.Conv2D(1, 3, 2, padding="same")(x)
    x = layers.Add()([ResizeLike(align_corners)(x, low), low])
    model = make_positive(
        keras.Model(image, ResizeLike(align_corners)(x, image))
    )
    assert check_rows(model, height, height) == receptive_field(model).size


@pytest.mark.once
def test_resizing_to_a_size_that_does_not_fit():
    """The places drift along the map; two neighbors are still seen."""
    image = keras.Input((45, 5, 1))
    x = layers.Conv2D(1, 3, 8, padding="same")(image)
    model = make_positive(keras.Model(image, ResizeLike()(x, image)))
    assert rows_seen(model, 45, 5).sum(axis=1).max() == 6
    # Two windows of 3, and what lies between them.
    assert receptive_field(model).size == 3 + 8


@pytest.mark.once
def test_unpooled_values_lie_within_their_windows():
    """Where in a window depends on the image: all the places are counted."""
    image = keras.Input((24, 6, 1))
    pooled, switches = MaxPoolWithIndices(3)(image)
    model = keras.Model(image, MaxUnpool(3)(pooled, switches, image))
    field = receptive_field(model)
    assert (field.size, field.stride, field.center) == (3, 1, 0)
    images = np.random.default_rng(0).permutation(20 * 24 * 6)
    images = images.reshape(20, 24, 6, 1).astype("float32")
    values = keras.ops.convert_to_numpy(model(images)).max(axis=(0, 2, 3))
    assert (values > 0).all()


@pytest.mark.once
def test_crops_like_another():
    image = keras.Input((None, None, 1))
    small = layers.Conv2D(1, 5)(image)
    cropped = CropLike(3)(image, small)
    field = receptive_field(keras.Model(image, cropped))
    assert (field.size, field.center) == (1, 3)


@pytest.mark.once
def test_cubic_interpolation_is_refused():
    image = keras.Input((None, None, 1))
    up = layers.UpSampling2D(2, interpolation="bicubic", name="up")
    with pytest.raises(ValueError, match="'up' .*'bicubic'"):
        receptive_field(keras.Model(image, up(image)))
