import keras
import pytest

from keras_seg.layers import ASPP
from keras_seg.layers.base import nested_layers

pytestmark = pytest.mark.once


def test_models_wrappers_and_layers_of_layers():
    inner = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1, name="one")],
        name="inner",
    )
    pyramid = ASPP(filters=2, atrous_rates=(2, 4), name="pyramid")
    image = keras.Input((None, None, 3), name="image")
    wrapped = keras.layers.TimeDistributed(
        keras.layers.Dense(2, name="dense"), name="wrapper"
    )
    model = keras.Model(image, wrapped(pyramid(inner(image))))
    found = nested_layers(model)
    assert len(found) == len({id(layer) for layer in found})
    names = [layer.name for layer in found]
    assert names[0] == model.name
    assert {"image", "inner", "one", "pyramid", "wrapper", "dense"} < set(names)
    # All the weights there are, each in one layer.
    kernels = [
        layer.kernel
        for layer in found
        if isinstance(getattr(layer, "kernel", None), keras.Variable)
    ]
    paths = {v.path for v in model.weights if v.name == "kernel"}
    assert {v.path for v in kernels} == paths and len(kernels) == len(paths)
