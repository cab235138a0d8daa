from fractions import Fraction

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seg.layers import AlignedScale
from keras_seg.layers import BilinearUpsampling
from keras_seg.layers import CropLike
from keras_seg.layers import ResizeLike
from keras_seg.layers import ShrinkToFit
from keras_seg.ops import resize
from tests.layer_check import check_layer


def maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_bilinear_upsampling():
    x = maps(2, 5, 4, 3)
    keras_layer = keras.layers.UpSampling2D((2, 3), interpolation="bilinear")
    expected = ops.convert_to_numpy(keras_layer(x))
    config = {"factor": (2, 3)}
    check_layer(BilinearUpsampling, config, x, expected_output=expected)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(BilinearUpsampling(2, align_corners=True)(x)),
        ops.convert_to_numpy(resize(x, (10, 8), align_corners=True)),
    )
    with pytest.raises(ValueError, match="Received: factor=1.5"):
        BilinearUpsampling((1.5, 2))


def test_resize_like():
    x, reference = maps(2, 5, 4, 3), maps(2, 13, 7, 2)
    expected = ops.image.resize(x, (13, 7), interpolation="bilinear")
    check_layer(
        ResizeLike,
        {},
        (x, reference),
        expected_output=ops.convert_to_numpy(expected),
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(ResizeLike(align_corners=True)(x, reference)),
        ops.convert_to_numpy(resize(x, (13, 7), align_corners=True)),
    )


def test_crop_like():
    x, reference = maps(2, 12, 11, 3), maps(2, 5, 4, 2)
    check_layer(
        CropLike,
        {"offset": 3},
        (x, reference),
        expected_output=x[:, 3:8, 3:7],
    )
    with pytest.raises(ValueError, match="Received: offset=-1"):
        CropLike(-1)
    with pytest.raises(ValueError, match="12 positions can't be cropped to 12"):
        CropLike(1)(x, maps(2, 12, 11, 1))


def test_batch_norm_behind_a_resize_is_left_alone():
    """`keras.layers.Resizing` would leak `training=True` into it."""
    image = keras.Input((None, None, 2))
    small = keras.layers.AveragePooling2D(2)(image)
    x = ResizeLike()(small, image)
    norm = keras.layers.BatchNormalization()
    model = keras.Model(image, norm(x))
    before = [w.copy() for w in norm.get_weights()]
    model(maps(2, 8, 8, 2) + 5)
    model.predict(maps(2, 8, 8, 2) + 5, verbose=0)
    for old, new in zip(before, norm.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_layer():
    """Every second position of an odd side is taken as it is."""
    x = np.random.default_rng(0).normal(size=(2, 9, 5, 3)).astype("float32")
    check_layer(
        AlignedScale, {"factor": 0.5}, x, expected_output=x[:, ::2, ::2]
    )


@pytest.mark.parametrize(
    "scale, size", [(1.0, 321), (0.75, 241), (0.5, 161), (1.5, 481)]
)
def test_sizes_of_deeplab_v2(scale, size):
    """papers.md 13.3: 321, 241 and 161."""
    shape = AlignedScale(scale).compute_output_shape((None, 321, None, 3))
    assert shape == (None, size, None, 3)


@pytest.mark.parametrize("scale", [0, -1, True, "2", float("inf")])
def test_bad_arguments(scale):
    with pytest.raises(ValueError, match="Received: factor="):
        AlignedScale(scale)


def test_shrink_to_fit():
    x = np.random.default_rng(0).normal(size=(2, 20, 9, 3)).astype("float32")
    expected = ops.convert_to_numpy(resize(x, (10, 5), antialias=True))
    check_layer(ShrinkToFit, {"longest_side": 10}, x, expected_output=expected)
    np.testing.assert_array_equal(ops.convert_to_numpy(ShrinkToFit(20)(x)), x)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 100))
def test_sizes_of_shrink_to_fit(height, width, side):
    """Nearest integers to the scaled sides, halves up; none is 0."""
    factor = Fraction(min(1, Fraction(side, max(height, width))))
    expected = [
        max(1, int(n * factor + Fraction(1, 2))) for n in (height, width)
    ]
    shape = ShrinkToFit(side).compute_output_shape((1, height, width, 3))
    assert list(shape[1:3]) == expected and max(expected) <= max(1, side)


@pytest.mark.parametrize("side", [0, 2.5, True, None])
def test_bad_longest_side(side):
    with pytest.raises(ValueError, match="Received: longest_side="):
        ShrinkToFit(side)
