"""What networks with pools that remember have in common."""

import keras
import numpy as np

from keras_seg.layers import CropLike
from keras_seg.layers import MaxUnpool

__all__ = ["check_unpooling"]


def check_unpooling(model, block, image):
    """Checks that values go back to where the maxima were, and nothing else.

    Args:
        model: `keras.Model` with layers `block{n}_pool` and `unpool{n}`.
        block: int, the block to look at.
        image: array, one image.
    """
    unpool = model.get_layer(f"unpool{block}")
    pooled = model.get_layer(f"block{block}_pool").output
    tensors = [*keras.tree.flatten(unpool.input), unpool.output]
    assert tensors[1] is pooled[1]
    # Operation by operation: XLA may compute a map twice in a compiled model,
    # and round it in two ways.
    values, switches, before, unpooled, maxima = map(
        keras.ops.convert_to_numpy,
        keras.Model(model.input, [*tensors, pooled[0]])(image),
    )
    assert unpooled.shape == before.shape
    channels = before.shape[-1]
    values, switches, before, unpooled, maxima = (
        x.reshape(-1, channels)
        for x in (values, switches, before, unpooled, maxima)
    )
    found = np.take_along_axis(before, switches, axis=0)
    np.testing.assert_array_equal(found, maxima)
    expected = np.zeros_like(before)
    np.put_along_axis(expected, switches, values, axis=0)
    np.testing.assert_array_equal(unpooled, expected)
    assert np.count_nonzero(unpooled) > channels

    # No other layer joins two maps: no features pass beside the switches.
    for layer in model.layers:
        inputs = keras.tree.flatten(layer.input)
        if isinstance(layer, MaxUnpool):
            assert ["int" in x.dtype for x in inputs] == [False, True, False]
        elif not isinstance(layer, CropLike):
            assert len(inputs) <= 1, layer.name
