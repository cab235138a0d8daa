import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seg.layers import AtrousConv
from keras_seg.layers import BedOfNails
from keras_seg.layers import BilinearConvTranspose
from keras_seg.layers import BilinearInitializer
from keras_seg.layers import CropLike
from keras_seg.layers import NearestUpsampling
from keras_seg.ops import bed_of_nails
from keras_seg.ops import nearest_upsampling
from keras_seg.ops import resize
from tests.compiled import compiled
from tests.gradients import gradient
from tests.layer_check import assert_close
from tests.layer_check import check_layer

# papers.md 4.3: weights along one side.
WEIGHTS = {
    1: [1],
    2: [0.5, 0.5],
    3: [0.5, 1, 0.5],
    4: [0.25, 0.75, 0.75, 0.25],
    8: [0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125],
}


for side in (16, 32, 64):
    half = (np.arange(side // 2) * 2 + 1) / side
    WEIGHTS[side] = [*half, *half[::-1]]


# papers.md 4.1: kernel 4, stride 2, crop 1.
SQUARE = np.array([[1.0, 2.0], [3.0, 4.0]], "float32").reshape(1, 2, 2, 1)


ENLARGED = [
    [0.5625, 0.9375, 1.3125, 1.125],
    [1.125, 1.75, 2.25, 1.875],
    [1.875, 2.75, 3.25, 2.625],
    [1.6875, 2.4375, 2.8125, 2.25],
]


# papers.md 4.4: input, kernel, stride, result without a crop.
RING = [[1, 1, 1], [1, 2, 1], [1, 1, 1]]


PLANES = [
    ([[1, 2]], [[1, 2, 3]], (1, 2), [[1, 2, 5, 4, 6]]),
    (
        [[1, 2, 3, 4]],
        [[0.25, 0.75, 0.75, 0.25]],
        (1, 2),
        [[0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 3, 1]],
    ),
    ([[1] * 4], [[1] * 3], (1, 2), [[1, 1, 2, 1, 2, 1, 2, 1, 1]]),
    ([[1] * 4], [[1] * 4], (1, 2), [[1, 1, 2, 2, 2, 2, 2, 2, 1, 1]]),
    (
        [[1, 2], [3, 4]],
        RING,
        (2, 2),
        [
            [1, 1, 3, 2, 2],
            [1, 2, 3, 4, 2],
            [4, 4, 10, 6, 6],
            [3, 6, 7, 8, 4],
            [3, 3, 7, 4, 4],
        ],
    ),
]


def maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("size", WEIGHTS)
def test_weights(size):
    plane = np.outer(WEIGHTS[size], WEIGHTS[size])
    initializer = BilinearInitializer()
    found = ops.convert_to_numpy(initializer((size, size)))
    np.testing.assert_allclose(found, plane, rtol=1e-7)
    full = ops.convert_to_numpy(initializer((size, size, 3, 3)))
    for row, column in np.ndindex(3, 3):
        np.testing.assert_allclose(
            full[:, :, row, column], plane * (row == column), rtol=1e-7
        )


def test_initializer():
    revived = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(BilinearInitializer())
    )
    assert isinstance(revived, BilinearInitializer)
    assert keras.saving.get_registered_name(BilinearInitializer) == (
        "keras_seg>BilinearInitializer"
    )
    with pytest.raises(ValueError, match=r"Received: shape=\(4, 4, 1\)"):
        revived((4, 4, 1))


@pytest.mark.parametrize(
    ("per_channel", "data_format"),
    [(True, "channels_last"), (False, "channels_first")],
)
@pytest.mark.parametrize("picture, kernel, stride, expected", PLANES)
def test_worked_examples(
    picture, kernel, stride, expected, data_format, per_channel
):
    layer = BilinearConvTranspose(
        factor=stride,
        kernel_size=np.shape(kernel),
        padding="valid",
        per_channel=per_channel,
        data_format=data_format,
    )
    axes = (0, 1) if data_format == "channels_first" else (0, 3)
    x = np.expand_dims(np.array(picture, "float32"), axes)
    layer.build(x.shape)
    layer.set_weights([np.reshape(kernel, layer.kernel.shape)])
    np.testing.assert_allclose(
        np.squeeze(ops.convert_to_numpy(layer(x))),
        np.squeeze(expected),
        rtol=1e-6,
    )


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_cropped_row(data_format):
    """papers.md 4.4: kernel .25 .75 .75 .25, stride 2, crop 1."""
    axes = (0, 1) if data_format == "channels_first" else (0, 3)
    x = np.expand_dims(np.array([[1.0, 2.0, 3.0, 4.0]], "float32"), axes)
    layer = BilinearConvTranspose(factor=(1, 2), data_format=data_format)
    y = np.ravel(ops.convert_to_numpy(layer(x)))
    expected = [0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 3]
    np.testing.assert_allclose(y, expected, rtol=1e-6)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("kernel_size, factor", [((3, 5), (2, 3)), (4, 2)])
def test_is_a_convolution_on_a_bed_of_nails(kernel_size, factor, data_format):
    """papers.md 4.4: the flipped kernel, on nails padded by k - 1."""
    layer = BilinearConvTranspose(
        2, factor, kernel_size, "valid", data_format=data_format, trainable=True
    )
    x = maps(2, 4, 5, 2)
    x = np.moveaxis(x, -1, 1) if data_format == "channels_first" else x
    layer.build(x.shape)
    kernel = maps(*layer.kernel.shape)
    layer.set_weights([kernel])
    conv = AtrousConv(
        2,
        layer.kernel_size,
        padding=tuple(k - 1 for k in layer.kernel_size),
        use_bias=False,
        data_format=data_format,
    )
    nails = BedOfNails(factor, data_format=data_format)(x)
    conv.build(nails.shape)
    conv.set_weights([kernel[::-1, ::-1].transpose(0, 1, 3, 2)])
    y = ops.convert_to_numpy(layer(x))
    # The cells of the last nails hold stride - 1 more rows and columns.
    rows, columns = (2, 3) if data_format == "channels_first" else (1, 2)
    window = [slice(None)] * 4
    window[rows], window[columns] = map(
        slice, (y.shape[rows], y.shape[columns])
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(conv(nails))[tuple(window)],
        y,
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("trainable", [False, True])
def test_layer(trainable):
    y = BilinearConvTranspose(factor=2, trainable=trainable)(SQUARE)
    assert_close(y, np.reshape(ENLARGED, (1, 4, 4, 1)))
    config = {
        "filters": 2,
        "factor": (3, 2),
        "kernel_size": (7, 2),
        "padding": "valid",
        "trainable": trainable,
    }
    check_layer(
        BilinearConvTranspose,
        config,
        maps(2, 3, 4, 2),
        trainable_weights=int(trainable),
    )


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.integers(1, 3),
)
def test_conv_transpose_equals_pytorch(size, factor, more, channels):
    torch = pytest.importorskip("torch")
    kernel = tuple(s + n for s, n in zip(factor, more, strict=True))
    x = maps(1, channels, *size)
    layer = BilinearConvTranspose(
        channels, factor, kernel, "valid", data_format="channels_first"
    )
    layer.build(x.shape)
    plane = maps(*kernel, seed=1)
    layer.set_weights([plane])
    weights = torch.from_numpy(plane).expand(channels, 1, *kernel)
    expected = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x), weights, stride=factor, groups=channels
    )
    y = ops.convert_to_numpy(compiled(layer)(x))
    np.testing.assert_allclose(y, expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel_size, factor", [(4, 2), ((3, 5), (2, 3))])
def test_gradient_is_a_convolution(kernel_size, factor):
    """If y = Cᵀx, the gradient is C: correlation with the plane, strided."""
    layer = BilinearConvTranspose(None, factor, kernel_size, "valid")
    x = maps(1, 4, 3, 2)
    plane = maps(*layer.kernel_size, seed=1)
    layer.build(x.shape)
    layer.set_weights([plane])
    weights = maps(*layer.compute_output_shape(x.shape), seed=2)
    expected = np.zeros_like(x)
    (down, across), (rows, columns) = layer.factor, layer.kernel_size
    for i, j in np.ndindex(4, 3):
        window = weights[
            0,
            i * down : i * down + rows,
            j * across : j * across + columns,
        ]
        expected[0, i, j] = (window * plane[..., None]).sum((0, 1))
    np.testing.assert_allclose(
        gradient(layer, x, weights), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_inside_it_is_bilinear_interpolation(factor):
    """papers.md 4.1; at the border zeros mix in. Odd factors do not shift."""
    x = maps(1, 5, 4, 3)
    layer = BilinearConvTranspose(factor=factor)
    y = ops.convert_to_numpy(compiled(layer)(x))
    size = 5 * factor, 4 * factor
    expected = ops.convert_to_numpy(compiled(lambda x: resize(x, size))(x))
    inside = slice(factor // 2, -(factor // 2) or None)
    np.testing.assert_allclose(
        y[:, inside, inside], expected[:, inside, inside], atol=1e-5
    )


def test_weights_as_fcn_stores_them():
    """papers.md 8.1 and 8.3: 17 becomes 576 and is cropped from 19 to 512."""
    x, picture = np.ones((1, 17, 17, 21), "float32"), maps(1, 512, 512, 3)
    fixed = BilinearConvTranspose(21, 32, padding="valid")
    y = fixed(x)
    assert tuple(y.shape) == (1, 576, 576, 21)
    assert tuple(CropLike(19)(y, picture).shape) == (1, 512, 512, 21)
    assert fixed.count_params() == 64 * 64
    # Constants stay where all windows lie within the map.
    np.testing.assert_allclose(
        ops.convert_to_numpy(y)[:, 32:-32, 32:-32], 1, rtol=1e-5
    )
    learned = BilinearConvTranspose(21, 32, padding="valid", trainable=True)
    learned.build((None, 17, 17, 21))
    assert learned.count_params() == 1_806_336


def test_what_is_fixed_stays_fixed():
    fixed = BilinearConvTranspose(2)
    fixed.build((None, 3, 3, 2))
    fixed.trainable = True
    assert fixed.trainable_weights == []
    revived = BilinearConvTranspose.from_config(fixed.get_config())
    revived.build((None, 3, 3, 2))
    assert tuple(revived.kernel.shape) == (4, 4)
    learned = BilinearConvTranspose(2, trainable=True)
    learned.trainable = False
    revived = BilinearConvTranspose.from_config(learned.get_config())
    revived.build((None, 3, 3, 2))
    assert not revived.trainable
    assert tuple(revived.kernel.shape) == (4, 4, 2, 2)


@pytest.mark.parametrize("trainable", [False, True])
def test_compiled_training(trainable):
    if keras.backend.backend() == "torch":
        pytest.skip("compiling is left to TensorFlow and JAX")
    image = keras.Input((3, 4, 2))
    x = keras.layers.Conv2D(2, 1)(image)
    x = BilinearConvTranspose(2, trainable=trainable)(x)
    model = keras.Model(image, x)
    model.compile("sgd", "mean_squared_error", jit_compile=True)
    before = model.get_weights()[0]
    model.fit(maps(2, 3, 4, 2), maps(2, 6, 8, 2), verbose=0)
    assert np.abs(model.get_weights()[0] - before).max() > 0


def test_bad_input():
    with pytest.raises(ValueError, match="Received: factor=0"):
        BilinearConvTranspose(factor=0)
    with pytest.raises(ValueError, match="Received: filters=2.5"):
        BilinearConvTranspose(2.5)
    with pytest.raises(ValueError, match=r"kernel_size=\(2, 2\), factor=\(3"):
        BilinearConvTranspose(factor=3, kernel_size=2)
    with pytest.raises(ValueError, match="Received: padding='full'"):
        BilinearConvTranspose(padding="full")
    with pytest.raises(ValueError, match="Received: filters=4, input_shape"):
        BilinearConvTranspose(4)(keras.Input((3, 3, 2)))


# papers.md 4.1, by hand.
NAILS = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]


NEAREST = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


@pytest.mark.parametrize(
    "layer_class, expected", [(BedOfNails, NAILS), (NearestUpsampling, NEAREST)]
)
def test_worked_example(layer_class, expected):
    y = layer_class(factor=2)(SQUARE)
    assert_close(y, np.reshape(expected, (1, 4, 4, 1)))
    check_layer(layer_class, {"factor": (3, 1)}, maps(2, 3, 4, 2))
    with pytest.raises(ValueError, match="Received: factor=0"):
        layer_class(0)
    with pytest.raises(ValueError, match="Received: factor=2.5"):
        layer_class((2, 2.5))


sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


cells = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(sizes, cells, st.integers(1, 3))
def test_every_size(size, cell, channels):
    x = maps(2, *size, channels)
    enlarge = compiled(
        lambda x: (nearest_upsampling(x, cell), bed_of_nails(x, cell))
    )
    nearest, nails = map(ops.convert_to_numpy, enlarge(x))
    np.testing.assert_array_equal(
        nearest, x.repeat(cell[0], 1).repeat(cell[1], 2)
    )
    expected = np.zeros_like(nearest)
    expected[:, :: cell[0], :: cell[1]] = x
    np.testing.assert_array_equal(nails, expected)


def test_nails_equals_pytorch():
    torch = pytest.importorskip("torch")
    x = maps(2, 3, 5, 4)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x), scale_factor=(2, 3), mode="nearest"
    )
    y = NearestUpsampling((2, 3), data_format="channels_first")(x)
    np.testing.assert_array_equal(ops.convert_to_numpy(y), expected.numpy())
