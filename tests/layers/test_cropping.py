import numpy as np
import pytest
from keras import ops

from keras_seg.layers import CropToSmallest
from keras_seg.layers import PadToMultiple
from tests.layer_check import check_layer


def test_pad_to_multiple():
    x = np.random.default_rng(0).normal(size=(2, 8, 5, 3)).astype("float32")
    check_layer(
        PadToMultiple,
        {"multiple": 4},
        x,
        expected_output=np.pad(x, ((0, 0), (0, 0), (0, 3), (0, 0))),
    )
    with pytest.raises(ValueError, match="Received: multiple=0"):
        PadToMultiple(0)
    with pytest.raises(ValueError, match="Received: remainder=4"):
        PadToMultiple(4, 4)
    with pytest.raises(ValueError, match="Received: remainder=-1"):
        PadToMultiple(4, -1)
    with pytest.raises(ValueError, match="Received: minimum=0"):
        PadToMultiple(4, minimum=0)
    check_layer(
        PadToMultiple,
        {"multiple": 4, "remainder": 1, "minimum": 7},
        x,
        expected_output=np.pad(x, ((0, 0), (0, 1), (0, 4), (0, 0))),
    )


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
