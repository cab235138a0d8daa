"""Graphs as runtimes like them: nothing but convolutions, and no arithmetic."""

import collections

import keras
import numpy as np
import pytest

import keras_seg
from keras_seg import layers
from keras_seg.deployment.portable_layers import portable_layers
from tests.networks import randomize

SIZE = (50, 64)
SIZES = {"tensorflow": [None, SIZE], "torch": [SIZE], "jax": []}


def network():
    """Strides, one of which is removed, holes, and norms behind each kind."""
    image = keras.Input((None, None, 3))
    x = layers.PadToMultiple(8, 1)(image)
    for layer in (
        keras.layers.Conv2D(8, 3, 2, "same"),
        keras.layers.DepthwiseConv2D(3, 2, "same"),
        layers.RemovedStridePadding(3, removed_stride=2),
        keras.layers.Conv2D(8, 3),
        keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=2),
        keras.layers.Conv2D(8, 3, padding="same", dilation_rate=2),
    ):
        x = layer(x)
        if not isinstance(layer, layers.RemovedStridePadding):
            x = keras.layers.ReLU(6.0)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Conv2D(4, 1)(layers.ASPP(8, (2,))(x))
    return keras.Model(image, layers.ResizeLike()(x, image))


def as_it_runs(path):
    """How often the operations occur that ONNX Runtime makes of a file."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path.with_suffix(".run"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options)
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    return collections.Counter(node.op_type for node in nodes)


@pytest.mark.parametrize("size", SIZES[keras.config.backend()])
def test_convolutions_take_in_norms_activations_padding_and_holes(
    size, tmp_path
):
    keras_seg.export(randomize(network()), tmp_path / "a.onnx", size=size)
    found = as_it_runs(tmp_path / "a.onnx")
    # Four of them in the ASPP.
    assert sum(n for op, n in found.items() if "Conv" in op) == 5 + 4 + 1
    assert not found.keys() & {
        "BatchNormalization",
        "Clip",
        "DepthToSpace",
        "Relu",
        "SpaceToDepth",
    }
    # The image is padded, to a multiple and for the first convolution.
    assert found["Pad"] <= 2 and found["Transpose"] <= 3


@pytest.mark.once
@pytest.mark.parametrize("multiple", [1, 8])
def test_padding_is_fixed_where_all_sizes_have_it(multiple):
    """Of a map of 8 n + 1 the halves are odd; of any map they are not."""
    image = x = keras.Input((None, None, 2))
    x = layers.PadToMultiple(multiple, int(multiple > 1))(x)
    for stride in 2, 2:
        x = keras.layers.Conv2D(3, 3, stride, "same", use_bias=False)(x)
    x = layers.RemovedStridePadding(3, removed_stride=2, dilation_rate=1)(x)
    x = keras.layers.DepthwiseConv2D((3, 2))(x)
    network = randomize(keras.Model(image, x))
    fixed = portable_layers(network)
    for shape in ((1, 1, 2), (8, 9, 2), (18, 31, 2)):
        x = np.random.default_rng(0).normal(size=(1, *shape)).astype("float32")
        ours, theirs = (
            keras.ops.convert_to_numpy(f(x)) for f in (network, fixed)
        )
        np.testing.assert_allclose(theirs, ours, atol=1e-5)
    kinds = [type(layer).__name__ for layer in fixed.layers]
    count = 3 if multiple > 1 else 0
    assert kinds.count("ZeroPadding2D") == count
    assert kinds.count("RemovedStridePadding") == (count == 0)
