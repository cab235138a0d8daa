import numpy as np
import pytest
from keras import ops

from keras_seg.layers import CropToSmallest
from keras_seg.layers import PadToMultiple
from keras_seg.layers import ReflectionPadding
from tests.layer_check import check_layer


def test_pad_to_multiple():
    x = np.random.default_rng(0).normal(size=(2, 8, 5, 3)).astype("float32")
    check_layer(
        PadToMultiple,
        {"multiple": 4, "remainder": 1, "minimum": 7},
        x,
        expected_output=np.pad(x, ((0, 0), (0, 1), (0, 4), (0, 0))),
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(PadToMultiple(4)(x)),
        np.pad(x, ((0, 0), (0, 0), (0, 3), (0, 0))),
    )
    with pytest.raises(ValueError, match="Received: multiple=0"):
        PadToMultiple(0)
    with pytest.raises(ValueError, match="Received: remainder=4"):
        PadToMultiple(4, 4)
    with pytest.raises(ValueError, match="Received: remainder=-1"):
        PadToMultiple(4, -1)
    with pytest.raises(ValueError, match="Received: minimum=0"):
        PadToMultiple(4, minimum=0)


@pytest.mark.parametrize("size, padded", [(1, 1), (2, 9), (9, 9), (320, 321)])
def test_pad_above_a_multiple(size, padded):
    """DeepLab's sizes, 8k + 1: 321 = 8 · 40 + 1."""
    pad = PadToMultiple(8, 1)
    assert tuple(pad(np.zeros((1, size, 3, 2))).shape) == (1, padded, 9, 2)
    assert pad.compute_output_shape((1, None, size, 2)) == (1, None, padded, 2)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_crop_to_smallest(data_format):
    a, b = np.ones((1, 5, 8, 2)), np.ones((1, 6, 7, 4))
    if data_format == "channels_first":
        a, b = np.moveaxis(a, -1, 1), np.moveaxis(b, -1, 1)
    crop = CropToSmallest(data_format=data_format)
    maps = [
        np.moveaxis(ops.convert_to_numpy(x), 1, -1)
        if data_format == "channels_first"
        else x
        for x in crop([a, b])
    ]
    assert [x.shape for x in maps] == [(1, 5, 7, 2), (1, 5, 7, 4)]
    revived = CropToSmallest.from_config(crop.get_config())
    assert revived.get_config() == crop.get_config()


def reflect(x, rows, columns):
    return np.pad(x, ((0, 0), rows, columns, (0, 0)), mode="reflect")


# Longer than the map, to and fro; one side and one position.
@pytest.mark.parametrize(
    "padding, rows, columns, size",
    [
        ((3, 9), (3, 3), (9, 9), (5, 2)),
        (((0, 7), (0, 0)), (0, 7), (0, 0), (1, 4)),
    ],
)
def test_reflection_padding(padding, rows, columns, size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    check_layer(
        ReflectionPadding,
        {"padding": padding},
        x,
        registered_name="MirrorPad",
        expected_output=reflect(x, rows, columns),
    )


def test_every_size_and_side():
    for size in range(1, 6):
        x = np.arange(float(size)).reshape(1, 1, size, 1)
        for before in range(14):
            pair = (before, 13 - before)
            y = ReflectionPadding(((0, 0), pair))(x)
            np.testing.assert_array_equal(
                ops.convert_to_numpy(y), reflect(x, (0, 0), pair)
            )


def test_shapes():
    assert ReflectionPadding(2).padding == ((2, 2), (2, 2))
    pad = ReflectionPadding(((1, 2), (0, 4)))
    assert pad.compute_output_shape((None, None, 5, 2)) == (None, None, 9, 2)
    first = ReflectionPadding(((1, 2), (0, 4)), data_format="channels_first")
    assert first.compute_output_shape((1, 2, 5, None)) == (1, 2, 8, None)


@pytest.mark.parametrize(
    "padding",
    [-1, 1.5, True, "same", None, (1, 2, 3), ((1, 2), (3, -1)), ((1,), 2)],
)
def test_bad_padding(padding):
    with pytest.raises(ValueError, match="Received: padding="):
        ReflectionPadding(padding)
