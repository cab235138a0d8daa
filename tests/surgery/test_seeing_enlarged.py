import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from keras_seg.applications import DeepLabV2
from keras_seg.applications import DeepLabV3Plus
from keras_seg.applications import FCN8s
from keras_seg.applications import FCN16s
from keras_seg.applications import FCN32s
from keras_seg.applications import SegNet
from keras_seg.applications import UNet
from keras_seg.layers import BedOfNails
from keras_seg.layers import BilinearConvTranspose
from keras_seg.layers import BilinearUpsampling
from keras_seg.layers import CropLike
from keras_seg.layers import MaxPoolWithIndices
from keras_seg.layers import MaxUnpool
from keras_seg.layers import NearestUpsampling
from keras_seg.layers import ResizeLike
from keras_seg.surgery import receptive_field
from keras_seg.surgery.reach import Reach
from keras_seg.surgery.seeing import Field
from keras_seg.surgery.seeing import through
from tests.dependence import make_positive
from tests.dependence import rows_seen
from tests.dependence import seen


def check(model, height, width):
    """Every row whose field is within the image, by trying.

    Returns:
        The most rows of the image that one of them sees.
    """
    (rows, _) = through(
        model, [Field((Reach(height), Reach(width)), "channels_last")]
    ).sides
    matrix = rows_seen(model, height, width)
    assert rows.size == len(matrix)
    sizes = []
    for position, mask in enumerate(matrix):
        first, last = rows.at(position)
        if 0 <= first <= last < height:
            assert seen(mask) == (first, last)
            sizes.append(last - first + 1)
        elif first > last:
            assert not mask.any()
    assert sizes
    return max(sizes)


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
    check(model, 72, 4)


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
            check(make_positive(keras.Model(image, enlarge(image))), 12, 3)


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
    assert check(model, height, height) == receptive_field(model).size


@pytest.mark.once
def test_resizing_to_a_size_that_does_not_fit():
    """The places drift along the map; two neighbours are still seen."""
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
    return check(make_positive(model), height, width)


# A pixel sees two neighbours at stride 32, and if these lie between others
# of stride 16 or 8, these and the next two.
NEIGHBOURS = [(FCN32s, 32), (FCN16s, 64), (FCN8s, 64)]


@pytest.mark.once
@pytest.mark.parametrize("system, neighbours", NEIGHBOURS)
def test_fcn(system, neighbours):
    model = system(encoder(5), **PLAIN)
    field = receptive_field(model)
    # At 1, 2, …, 16 pixels, a convolution sees two more, a pool one.
    assert field.size == 1 + 3 * 31 + neighbours
    assert (field.stride, field.center) == (1, 0)
    assert pixels_seen(model, 256) == field.size


@pytest.mark.once
@pytest.mark.parametrize("system, neighbours", NEIGHBOURS)
def test_fcn_with_the_published_geometry(system, neighbours):
    """The 7×7 windows of fc6, unpadded; the offsets undo the padding."""
    model = system(encoder(5, size=224), geometry="paper", **PLAIN)
    field = receptive_field(model)
    assert field.size == 1 + 3 * 31 + 6 * 32 + neighbours
    assert (field.stride, field.center) == (1, 0)
    if system is FCN8s:
        assert pixels_seen(model, 384, 8) == field.size


@pytest.mark.once
def test_unet():
    model = UNet(filters=2, depth=2, include_preprocessing=False, **PLAIN)
    field = receptive_field(model)
    assert (field.stride, field.center) == (1, 0)
    assert pixels_seen(model, 64) == field.size


@pytest.mark.once
def test_unpadded_unet():
    """n pixels give logits for the n - 184 in the middle; 188 give 4."""
    field = receptive_field(UNet(filters=1, padding="valid", **PLAIN))
    assert (field.stride, field.center) == (1, 184 / 2)
    model = make_positive(
        UNet(filters=1, padding="valid", input_shape=(220, 188, 1), **PLAIN)
    )
    (rows, columns) = through(
        model, [Field((Reach(220), Reach(188)), "channels_last")]
    ).sides
    assert (rows.size, columns.size) == (36, 4)
    seen_by_columns = [columns.at(i) for i in range(4)]
    assert min(first for first, _ in seen_by_columns) == 0
    assert max(last for _, last in seen_by_columns) == 188 - 1
    matrix = rows_seen(model, 220, 188)
    assert [seen(mask) for mask in matrix] == [rows.at(i) for i in range(36)]
    assert max(last - first + 1 for first, last in map(seen, matrix)) == (
        field.size
    )


@pytest.mark.once
def test_segnet():
    """fc-free VGG: pool5 sees 212; each unpooling and decoder adds."""
    model = SegNet(weights=None, filters=1, include_preprocessing=False)
    field = receptive_field(model)
    # The decoder's convolutions: 3 at 16, 3 at 8, 3 at 4, 2 at 2, 2 at 1
    # pixels see as far as the encoder's; the window adds nothing.
    assert field.size == 212 + 2 * (3 * 16 + 3 * 8 + 3 * 4 + 2 * 2 + 2 * 1) + 12
    assert (field.stride, field.center) == (1, 0)


@pytest.mark.once
@pytest.mark.parametrize("scales", [(1.0,), (1.0, 0.75, 0.5)])
def test_deeplab_v2(scales):
    network = encoder(4, pools=False)
    model = DeepLabV2(network, atrous_rates=(1, 2), scales=scales, **PLAIN)
    field = receptive_field(model)
    # 2 at 1, 2, 4, 8 pixels, 4 positions at the rate of 2, a neighbour: at
    # half the size twice as much, and the neighbours of both resizings.
    assert field.stride == 1
    if scales == (1.0,):
        assert field.size == 1 + 2 * 15 + 4 * 8 + 8
    assert pixels_seen(model, 257, 33) == field.size


@pytest.mark.once
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
