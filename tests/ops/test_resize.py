import sys

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from PIL import Image

from keras_seg.ops import resize
from tests.compiled import compiled
from tests.gradients import gradient

# papers.md 4.1, computed by hand from the two formulas of the docstring.
SQUARE = np.array([[1.0, 2.0], [3.0, 4.0]], "float32").reshape(1, 2, 2, 1)
HALF_PIXEL = [
    [1, 1.25, 1.75, 2],
    [1.5, 1.75, 2.25, 2.5],
    [2.5, 2.75, 3.25, 3.5],
    [3, 3.25, 3.75, 4],
]
ALIGNED = [
    [1, 4 / 3, 5 / 3, 2],
    [5 / 3, 2, 7 / 3, 8 / 3],
    [7 / 3, 8 / 3, 3, 10 / 3],
    [3, 10 / 3, 11 / 3, 4],
]


@pytest.mark.parametrize(
    "align_corners, expected", [(False, HALF_PIXEL), (True, ALIGNED)]
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_worked_examples(align_corners, expected, data_format):
    x = SQUARE if data_format == "channels_last" else SQUARE[:, None, :, :, 0]
    y = resize(x, (4, 4), align_corners=align_corners, data_format=data_format)
    np.testing.assert_allclose(
        np.squeeze(ops.convert_to_numpy(y)), expected, rtol=1e-6
    )


def resized(x, size, **options):
    return compiled(lambda x: resize(x, size, **options))(x)


def interpolate(x, size, align_corners):
    """Bilinear interpolation as textbooks write it, one value at a time."""
    height, width = x.shape[:2]
    result = np.zeros((*size, x.shape[2]))

    def source(place, old, new):
        if align_corners:
            return place * (old - 1) / max(new - 1, 1)
        return np.clip((place + 0.5) * old / new - 0.5, 0, old - 1)

    for i in range(size[0]):
        for j in range(size[1]):
            row, column = source(i, height, size[0]), source(j, width, size[1])
            top, left = int(row), int(column)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            down, across = row - top, column - left
            result[i, j] = (
                (1 - down) * (1 - across) * x[top, left]
                + (1 - down) * across * x[top, right]
                + down * (1 - across) * x[bottom, left]
                + down * across * x[bottom, right]
            )
    return result


sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(sizes, sizes, st.booleans(), st.integers(0, 99))
def test_equals_interpolation(old, new, align_corners, seed):
    x = np.random.default_rng(seed).normal(size=(1, *old, 2))
    y = resized(x.astype("float32"), new, align_corners=align_corners)
    np.testing.assert_allclose(
        ops.convert_to_numpy(y)[0],
        interpolate(x[0], new, align_corners),
        rtol=1e-4,
        atol=1e-5,
    )


@given(sizes, sizes, st.booleans())
def test_equals_pytorch(old, new, align_corners):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, *old, 3)).astype("float32")
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x).permute(0, 3, 1, 2),
        new,
        mode="bilinear",
        align_corners=align_corners,
    )
    y = resized(x, new, align_corners=align_corners)
    np.testing.assert_allclose(
        ops.convert_to_numpy(y),
        expected.permute(0, 2, 3, 1).numpy(),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_gradient_is_the_transpose(align_corners, data_format):
    """The map is linear: <weights, R x> for every unit x, by hand."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 3, 4, 1)).astype("float32")
    weights = rng.normal(size=(1, 8, 5, 1)).astype("float32")
    expected = np.zeros_like(x)
    for place in np.ndindex(3, 4):
        unit = np.zeros((3, 4, 1))
        unit[place] = 1
        resized = interpolate(unit, (8, 5), align_corners)
        expected[0, *place, 0] = (weights[0] * resized).sum()
    if data_format == "channels_first":
        x, weights, expected = (
            np.moveaxis(array, -1, 1) for array in (x, weights, expected)
        )

    def enlarge(x):
        return resize(
            x, (8, 5), align_corners=align_corners, data_format=data_format
        )

    np.testing.assert_allclose(
        gradient(enlarge, x, weights), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the others have one form"
)
@pytest.mark.parametrize("align_corners", [False, True])
def test_both_formulations_are_equal(monkeypatch, align_corners):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 9, 3)).astype("float32")
    sizes = [(13, 40), (3, 4), (1, 1), (14, 9)]
    own = [resize(x, size, align_corners=align_corners) for size in sizes]
    module = sys.modules["keras_seg.ops.resize"]
    monkeypatch.setattr(module, "torch_can", lambda x: False)
    for size, expected in zip(sizes, own, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(resize(x, size, align_corners=align_corners)),
            ops.convert_to_numpy(expected),
            rtol=1e-4,
            atol=1e-5,
        )


def test_half_precision_keeps_its_dtype():
    y = resize(ops.cast(SQUARE, "bfloat16"), (4, 4))
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(y, "float32"))[0, :, :, 0],
        HALF_PIXEL,
        rtol=1e-2,
    )


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(1, 60))
def test_antialias_is_that_of_pillow(size, side):
    """`Image.resize(…, BILINEAR)` of float images, shrunk and enlarged."""
    x = np.random.default_rng(0).normal(size=(1, *size, 2)).astype("float32")
    new = side, 61 - side
    y = ops.convert_to_numpy(resized(x, new, antialias=True))
    for channel in range(2):
        expected = Image.fromarray(x[0, ..., channel]).resize(
            new[::-1], Image.Resampling.BILINEAR
        )
        np.testing.assert_allclose(
            y[0, ..., channel], np.asarray(expected), atol=2e-5
        )
    first = resized(
        np.moveaxis(x, -1, 1),
        new,
        antialias=True,
        data_format="channels_first",
    )
    first = np.moveaxis(ops.convert_to_numpy(first), 1, -1)
    np.testing.assert_allclose(first, y, atol=2e-5)
