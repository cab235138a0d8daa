"""Every function and every layer, on values of every type."""

import functools
import itertools

import keras
import numpy as np
import pytest
from keras import ops

import keras_seg
from keras_seg import crf
from keras_seg import layers
from tests.compiled import compiled
from tests.networks import randomize

BACKEND = keras.backend.backend()
DTYPES = ("bool", "uint8", "int32", "float16", "bfloat16")
if BACKEND != "jax":  # It has 32 bits at most, unless told otherwise.
    DTYPES += ("int64", "float64")

KERNEL = np.arange(18.0).reshape(3, 3, 2, 1) - 7
PLANE = np.array([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0]])


def whole_numbers(dtype, shape=(1, 5, 6, 2)):
    """Numbers that the type holds exactly, the largest of uint8 among them."""
    numbers = np.random.default_rng(0).integers(0, 256, shape)
    numbers.flat[0] = 255
    return numbers % 2 if dtype == "bool" else numbers


def given(numbers, dtype):
    """The numbers as a tensor: bfloat16 is none of NumPy's types."""
    return ops.cast(ops.convert_to_tensor(numbers.astype("int32")), dtype)


# What the functions give, in NumPy, from float64.


def taps(x, rate=1, size=(3, 3)):
    """The map as each tap of a window sees it, without padding."""
    rows, columns = (
        x.shape[axis + 1] - (size[axis] - 1) * rate for axis in (0, 1)
    )
    return [
        (i, j, x[:, i * rate :, j * rate :][:, :rows, :columns])
        for i, j in itertools.product(range(size[0]), range(size[1]))
    ]


def convolved(x):
    return sum(tap @ KERNEL[i, j] for i, j, tap in taps(x))


def convolved_by_channel(x):
    return sum(tap * KERNEL[i, j, :, 0] for i, j, tap in taps(x))


def resized(x, size=(7, 9)):
    for axis, new in zip((1, 2), size, strict=True):
        old = x.shape[axis]
        places = (np.arange(new) + 0.5) * old / new - 0.5
        x = np.apply_along_axis(
            lambda line, places=places: np.interp(
                places, np.arange(len(line)), line
            ),
            axis,
            x,
        )
    return x


def nails(x):
    y = np.zeros((1, 10, 12, 2))
    y[:, ::2, ::2] = x
    return y


def spread(x):
    y = np.zeros((1, 6, 13, 2))
    for i, j in itertools.product(range(2), range(3)):
        y[:, i : i + 5, j : j + 11 : 2] += PLANE[i, j] * x
    return y


def switches(x):
    """Of cells of 1×2."""
    cells = x.reshape(1, 5, 3, 2, 2)
    return np.arange(0, 30, 2).reshape(5, 3, 1) + cells.argmax(axis=3)


def largest(x):
    return x.reshape(1, 5, 3, 2, 2).max(axis=3)


def pool_and_back(x):
    y = np.zeros((1, 30, 2))
    pooled, places = (
        f(x).reshape(1, 15, 2).astype(int) for f in (largest, switches)
    )
    np.put_along_axis(y, places, pooled, axis=1)
    return y.reshape(1, 5, 6, 2)


def kernel(x):
    floats = keras.backend.is_float_dtype(dtype_of(x))
    return given(KERNEL, dtype_of(x) if floats else "float32")


def unpool(x):
    pooled, places = keras_seg.ops.max_pool_with_indices(x, (1, 2))
    return keras_seg.ops.max_unpool(pooled, places, (1, 2))


OPS = {
    "atrous_conv": (
        lambda x: keras_seg.fast.atrous_conv(x, kernel(x), padding="valid"),
        convolved,
    ),
    "atrous_depthwise_conv": (
        lambda x: keras_seg.fast.atrous_depthwise_conv(
            x, kernel(x), padding="valid"
        ),
        convolved_by_channel,
    ),
    "bed_of_nails": (
        lambda x: keras_seg.ops.bed_of_nails(x, (2, 2)),
        nails,
    ),
    "best_class": (keras_seg.fast.best_class, lambda x: x.argmax(axis=-1)),
    "max_pool": (
        lambda x: keras_seg.ops.max_pool(x, (3, 3)),
        lambda x: np.max([tap for _, _, tap in taps(x)], axis=0),
    ),
    "max_pool_with_indices": (
        lambda x: keras_seg.ops.max_pool_with_indices(x, (1, 2))[1],
        switches,
    ),
    "max_unpool": (unpool, pool_and_back),
    "nearest_upsampling": (
        lambda x: keras_seg.ops.nearest_upsampling(x, (2, 2)),
        lambda x: x.repeat(2, axis=1).repeat(2, axis=2),
    ),
    "pad_spatial": (
        lambda x: keras_seg.ops.pad_spatial(x, (1, 0), (2, 3), "channels_last"),
        lambda x: np.pad(x, ((0, 0), (1, 0), (2, 3), (0, 0))),
    ),
    "resize": (lambda x: keras_seg.ops.resize(x, (7, 9)), resized),
    "depthwise_conv_transpose": (
        lambda x: keras_seg.ops.depthwise_conv_transpose(x, PLANE, (1, 2)),
        spread,
    ),
    "sum_pool": (
        lambda x: keras_seg.ops.sum_pool(x, (3, 3)),
        lambda x: np.sum([tap for _, _, tap in taps(x)], axis=0),
    ),
}

KEPT = {
    "bed_of_nails",
    "best_class",
    "max_pool",
    "max_pool_with_indices",
    "max_unpool",
    "nearest_upsampling",
    "pad_spatial",
}
NO_MAPS = {
    "pooled_size",
    "removed_stride_padding",
    "indices_from_tensorflow",
    "indices_to_tensorflow",
}
# Their layers are among `LAYERS`.
NO_MAPS |= {"conv", "depthwise_conv", "replacement_class"}


def numbers_of(y):
    return ops.convert_to_numpy(ops.cast(y, "float32")).astype("float64")


def tolerance(dtype):
    """Rounding of a dozen terms, as a share of the largest value."""
    return {"float16": 3e-3, "bfloat16": 2e-2}.get(dtype, 1e-6)


def dtype_of(x):
    return keras.backend.standardize_dtype(x.dtype)


def test_no_function_and_no_layer_is_left_out():
    named = {*keras_seg.ops.__all__, *keras_seg.fast.__all__} - set(LAYERS)
    assert set(OPS) | NO_MAPS == named
    assert set(LAYERS) | {"BilinearInitializer"} == (
        set(layers.__all__) | {"CRFAsRNN", "DenseCRF"}
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPS)
def test_functions(name, dtype):
    """As in NumPy, from float64."""
    function, expected = OPS[name]
    numbers = whole_numbers(dtype)
    kept = name in KEPT
    if kept and dtype in ("int32", "int64"):
        numbers = numbers + 2**25  # float32 does not tell them apart.
    x = given(numbers, dtype)
    y = compiled(function)(x)
    if name not in ("best_class", "max_pool_with_indices"):
        as_before = kept or "float" in dtype
        assert dtype_of(y) == (dtype_of(x) if as_before else "float32")
    y = ops.convert_to_numpy(y if kept else ops.cast(y, "float32"))
    expected = expected(numbers.astype("float64"))
    if kept:
        np.testing.assert_array_equal(y.astype("float64"), expected)
    else:
        atol = tolerance(dtype) * np.abs(expected).max()
        np.testing.assert_allclose(y, expected, rtol=0, atol=atol)


# Layers, and what they are called with, of maps of 3 channels.
LIKE = np.zeros((1, 9, 11, 1), "float32")
SCORES = np.random.default_rng(1).normal(size=(1, 5, 6, 2)).astype("float32")
SWITCHES = np.arange(30).reshape(1, 5, 6, 1).repeat(3, -1).astype("int32")
LAYERS = {
    "ASPP": (lambda: layers.ASPP(3, (2,)), ()),
    "AlignedScale": (lambda: layers.AlignedScale(1.5), ()),
    "AtrousAveragePool": (
        lambda: layers.AtrousAveragePool(3, padding="same"),
        (),
    ),
    "AtrousConv": (lambda: layers.AtrousConv(3, 3, 2, separable=True), ()),
    "AtrousMaxPool": (lambda: layers.AtrousMaxPool(3, 2, "same"), ()),
    "BatchNorm": (layers.BatchNorm, ()),
    "BedOfNails": (layers.BedOfNails, ()),
    "BilinearConvTranspose": (layers.BilinearConvTranspose, ()),
    "BilinearUpsampling": (lambda: layers.BilinearUpsampling(2), ()),
    "CRFAsRNN": (lambda: crf.CRFAsRNN(1), (SCORES,)),
    "Conv": (lambda: layers.Conv(3, 3), ()),
    "ConvTranspose": (lambda: layers.ConvTranspose(3, 2, 2), ()),
    "CropLike": (lambda: layers.CropLike(1), (LIKE[:, :3, :3],)),
    "CropToSmallest": (layers.CropToSmallest, (LIKE[:, :3, :7],)),
    "DenseCRF": (lambda: crf.DenseCRF(1), (SCORES,)),
    "DepthwiseConv": (lambda: layers.DepthwiseConv(3), ()),
    "LocalResponseNormalization": (layers.LocalResponseNormalization, ()),
    "MaxPool": (lambda: layers.MaxPool(2, padding="same"), ()),
    "MaxPoolWithIndices": (lambda: layers.MaxPoolWithIndices(3), ()),
    "MaxUnpool": (lambda: layers.MaxUnpool(1), (SWITCHES,)),
    "ReflectionPadding": (lambda: layers.ReflectionPadding(2), ()),
    "Metadata": (layers.Metadata, ()),
    "NearestUpsampling": (layers.NearestUpsampling, ()),
    "PadToMultiple": (lambda: layers.PadToMultiple(4), ()),
    "PatchMerging": (lambda: layers.PatchMerging(4), ()),
    "PatchTokens": (lambda: layers.PatchTokens(3, 2, grid=(2, 2)), ()),
    "Preprocess": (lambda: layers.Preprocess("caffe"), ()),
    "ReducedAttention": (lambda: layers.ReducedAttention(3, 2), ()),
    "RemovedStridePadding": (lambda: layers.RemovedStridePadding(3, 2), ()),
    "ResizeLike": (layers.ResizeLike, (LIKE,)),
    "RotaryAttention": (
        lambda: layers.RotaryAttention(1),
        (np.eye(6, 2, dtype="float32"), np.eye(6, 2, dtype="float32")),
    ),
    "SampledDropout": (lambda: layers.SampledDropout(0.0), ()),
    "RotaryPositions": (lambda: layers.RotaryPositions(4, 2), ()),
    "SeparableConv": (lambda: layers.SeparableConv(3, 3), ()),
    "ShrinkToFit": (lambda: layers.ShrinkToFit(4), ()),
    "TokensToMap": (lambda: layers.TokensToMap(1), (LIKE[:, :5, :6],)),
    "WindowAttention": (lambda: layers.WindowAttention(3, 2), ()),
}


def called(layer, x, more):
    if isinstance(layer, layers.CropToSmallest):
        return layer([x, *more])[0]
    if isinstance(layer, crf.DenseCRF | crf.CRFAsRNN):
        return layer(*more, x)
    if isinstance(layer, layers.RotaryAttention):
        x = x[0, ..., :2]  # Tokens of two channels.
    y = layer(x, *more)
    return y[0] if isinstance(y, tuple) else y


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    """As from float32, and of the type that was promised."""
    make, more = LAYERS[name]
    layer = randomize(make())
    for dtype in DTYPES:
        numbers = whole_numbers(dtype, (1, 5, 6, 3))
        x = given(numbers, dtype)
        expected = numbers_of(called(layer, given(numbers, "float32"), more))
        y = called(layer, x, more)
        np.testing.assert_array_equal(numbers_of(y), expected)
        promised = called(layer, keras.KerasTensor(x.shape, dtype_of(x)), more)
        # Keras promises floats of its pooling and its dropout.
        if name not in ("MaxPool", "SampledDropout"):
            assert dtype_of(promised) == dtype_of(y), dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_crf(dtype):
    """As from float32, the images as well as the values."""
    points = whole_numbers(dtype, (30, 2))
    colors = whole_numbers(dtype, (5, 6, 3))
    floats, x = (given(points, kind) for kind in ("float32", dtype))
    lattice = crf.Lattice.build(points / 20)
    for function in (
        crf.LatticeFilter(lattice, "after"),
        functools.partial(crf.permutohedral_filter, points / 20),
        functools.partial(crf.dense_crf, colors, iterations=1),
    ):
        if isinstance(function, functools.partial) and (
            function.func is crf.dense_crf
        ):
            floats, x = (ops.reshape(t, (5, 6, 2)) for t in (floats, x))
        np.testing.assert_allclose(
            numbers_of(function(x)), numbers_of(function(floats)), rtol=1e-6
        )
    image = given(colors, dtype)
    logits = np.zeros((5, 6, 2))
    logits[..., 1] = colors[..., 0] / 255
    np.testing.assert_allclose(
        numbers_of(crf.dense_crf(image, logits, iterations=1)),
        crf.dense_crf(colors, logits, iterations=1),
        rtol=1e-6,
    )


def test_what_counts_must_be_integers():
    places = np.ones((1, 1, 2, 1))
    for function in (
        keras_seg.ops.indices_from_tensorflow,
        keras_seg.ops.indices_to_tensorflow,
    ):
        for dtype in ("bool", "float32", "bfloat16"):
            with pytest.raises(ValueError, match=f"Received: .* of {dtype}"):
                function(given(places, dtype))
        for dtype in ("uint8", "int32"):
            assert dtype_of(function(given(places, dtype))) == "int32"
