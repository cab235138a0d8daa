"""Ours against the layers of two ended packages: see tests/goldens."""

import pathlib

import numpy as np
from keras import ops

from keras_seg.layers import ASPP
from keras_seg.layers import MaxPoolWithIndices
from keras_seg.layers import MaxUnpool
from keras_seg.ops import indices_from_tensorflow
from tests.compiled import compiled

GOLDENS = pathlib.Path(__file__).parents[1] / "goldens"


def golden(name):
    with np.load(GOLDENS / name, allow_pickle=False) as arrays:
        return dict(arrays)


def unpooled(arrays, name, pool_size, strides, size):
    """What we make of the values and indices that TensorFlow gave."""
    indices = arrays[f"{name}_argmax"]
    switches = ops.convert_to_numpy(indices_from_tensorflow(indices))
    layer = MaxUnpool(pool_size, strides)
    y = layer(arrays[f"{name}_values"], switches, output_size=size)
    return ops.convert_to_numpy(y)


def test_max_unpooling_equals_tensorflow_addons():
    arrays = golden("max_unpooling.npz")
    y = unpooled(arrays, "even", 2, 2, (6, 8))
    np.testing.assert_array_equal(y, arrays["even_unpooled"])


def test_max_unpooling_keeps_odd_sizes():
    """TensorFlow Addons takes 4×5 windows for 8×10 positions, and indices of
    rows of 9 for indices of rows of 10; ours is told the size."""
    arrays = golden("max_unpooling.npz")
    assert arrays["odd_unpooled"].shape == (2, 8, 10, 3)
    y = unpooled(arrays, "odd", 2, 2, (7, 9))
    pooled, switches = MaxPoolWithIndices(2)(arrays["odd_x"])
    np.testing.assert_array_equal(
        ops.convert_to_numpy(pooled), arrays["odd_pooled"]
    )
    # Every value stands where the maximum of its window stood.
    places = np.zeros((2, 63, 3), bool)
    switches = ops.convert_to_numpy(switches).reshape(2, 20, 3)
    np.put_along_axis(places, switches, True, axis=1)
    np.testing.assert_array_equal(y.reshape(2, 63, 3) != 0, places)


def test_where_windows_overlap_tensorflow_addons_sums():
    """Ours holds the last value in raster order, theirs the sum."""
    arrays = golden("max_unpooling.npz")
    theirs = arrays["overlapping_unpooled"]
    ours = unpooled(arrays, "overlapping", 3, 2, (9, 11))
    indices = arrays["overlapping_argmax"].reshape(2, -1)
    values = arrays["overlapping_values"].reshape(2, -1)
    last, total, count = (np.zeros((2, 9 * 11 * 3)) for _ in range(3))
    for image in range(2):
        for index, value in zip(indices[image], values[image], strict=True):
            last[image, index] = value
            total[image, index] += value
            count[image, index] += 1
    assert (count > 1).sum() > 10
    np.testing.assert_allclose(ours.reshape(2, -1), last, rtol=1e-6)
    np.testing.assert_allclose(
        theirs.reshape(2, -1), total, rtol=1e-5, atol=1e-6
    )


def test_aspp_equals_keras_cv():
    """The same layer but for batch norm's epsilon: 1e-3 there, 1e-5 here,
    which the variances given to ours make up for."""
    arrays = golden("spatial_pyramid_pooling.npz")
    x = arrays["x"]
    layer = ASPP(8, (2, 4, 6), dropout=0.0)
    layer.build(x.shape)
    form = layer.form
    pairs = [
        *zip(form.convs, form.norms, strict=True),
        (form.pool_conv, form.pool_norm),
        (form.project_conv, form.project_norm),
    ]
    for number, (conv, norm) in enumerate(pairs):
        kernel, gamma, beta, mean, variance = (
            arrays[f"{number}_{place}"] for place in range(5)
        )
        conv.set_weights([kernel])
        norm.set_weights([gamma, beta, mean, variance + 1e-3 - 1e-5])
    y = ops.convert_to_numpy(compiled(layer)(x))
    assert np.std(arrays["y"]) > 0.1
    np.testing.assert_allclose(y, arrays["y"], rtol=1e-4, atol=1e-5)
