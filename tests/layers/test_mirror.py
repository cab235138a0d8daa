import numpy as np
import pytest
from keras import ops

from keras_seg.layers import MirrorPad
from tests.layer_check import check_layer


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
def test_mirror_pad(padding, rows, columns, size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    check_layer(
        MirrorPad,
        {"padding": padding},
        x,
        expected_output=reflect(x, rows, columns),
    )


def test_every_size_and_side():
    for size in range(1, 6):
        x = np.arange(float(size)).reshape(1, 1, size, 1)
        for before in range(14):
            pair = (before, 13 - before)
            y = MirrorPad(((0, 0), pair))(x)
            np.testing.assert_array_equal(
                ops.convert_to_numpy(y), reflect(x, (0, 0), pair)
            )


def test_shapes():
    assert MirrorPad(2).padding == ((2, 2), (2, 2))
    pad = MirrorPad(((1, 2), (0, 4)))
    assert pad.compute_output_shape((None, None, 5, 2)) == (None, None, 9, 2)
    first = MirrorPad(((1, 2), (0, 4)), data_format="channels_first")
    assert first.compute_output_shape((1, 2, 5, None)) == (1, 2, 8, None)


@pytest.mark.parametrize(
    "padding",
    [-1, 1.5, True, "same", None, (1, 2, 3), ((1, 2), (3, -1)), ((1,), 2)],
)
def test_bad_padding(padding):
    with pytest.raises(ValueError, match="Received: padding="):
        MirrorPad(padding)
