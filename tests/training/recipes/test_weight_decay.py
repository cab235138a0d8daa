"""Weight decay: ½·d·Σ w² over kernels, in the loss and in the file."""

import keras
import numpy as np
import pytest

from keras_seg.layers import ASPP
from keras_seg.layers import AtrousConv
from keras_seg.training.recipes import add_weight_decay


def network():
    image = x = keras.Input((None, None, 3))
    for layer in (
        keras.layers.Conv2D(4, 3, padding="same", name="conv"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise"),
        keras.layers.SeparableConv2D(4, 3, padding="same", name="separable"),
        AtrousConv(4, 3, dilation_rate=2, padding="same", name="atrous"),
        ASPP(filters=4, atrous_rates=(2, 4), name="pyramid"),
        keras.layers.Conv2DTranspose(2, 2, strides=2, name="transpose"),
    ):
        x = layer(x)
    return keras.Model(image, x)


def squares(model, without=()):
    return sum(
        (keras.ops.convert_to_numpy(v).astype("float64") ** 2).sum()
        for v in model.trainable_variables
        if "kernel" in v.path.split("/")[-1]
        and not any(name in v.path for name in without)
    )


def test_sum_of_squares_of_kernels(tmp_path):
    model = add_weight_decay(network(), 0.5)
    kernels = [v for v in model.trainable_variables if "kernel" in v.path]
    assert len(model.losses) == len(kernels) >= 10
    total = sum(
        float(keras.ops.convert_to_numpy(loss)) for loss in model.losses
    )
    assert total == pytest.approx(0.25 * squares(model), rel=1e-5)
    # It is in the gradient: with a rate of 1 and no other loss, w - 0.5·w.
    small = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, use_bias=False)]
    )
    add_weight_decay(small, 0.5)
    small.compile(keras.optimizers.SGD(1.0), "mse")
    before = small.get_weights()[0]
    small.train_on_batch(np.zeros((1, 2)), np.zeros((1, 1)))
    np.testing.assert_allclose(small.get_weights()[0], 0.5 * before, rtol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    found = sum(
        float(keras.ops.convert_to_numpy(loss)) for loss in loaded.losses
    )
    assert found == pytest.approx(total, rel=1e-5)


@pytest.mark.once
def test_without_depthwise_and_without_any():
    model = add_weight_decay(network(), 0.5, depthwise=False)
    spared = [v.path for v in model.variables if "depthwise" in v.path]
    total = sum(
        float(keras.ops.convert_to_numpy(loss)) for loss in model.losses
    )
    assert len(spared) >= 2
    assert total == pytest.approx(0.25 * squares(model, spared), rel=1e-5)
    assert add_weight_decay(model, 0.0).losses == []
    with pytest.raises(ValueError, match="Received: weight_decay=-1"):
        add_weight_decay(model, -1)
