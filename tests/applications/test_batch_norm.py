import keras
import numpy as np
from keras import layers

from keras_seg.layers import ASPP
from keras_seg.training import freeze_batch_norm


def network():
    inner = keras.Sequential(
        [keras.Input((None, None, 4)), layers.BatchNormalization(name="inner")]
    )
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(4, 3, padding="same")(image)
    x = layers.BatchNormalization(name="outer")(x)
    x = inner(x)
    x = layers.TimeDistributed(layers.BatchNormalization(name="wrapped"))(x)
    return keras.Model(image, layers.Conv2D(2, 1)(x))


def test_all_of_them_are_frozen():
    model = network()
    assert len(model.trainable_variables) == 4 + 3 * 2
    assert freeze_batch_norm(model) is model
    assert len(model.trainable_variables) == 4


def test_statistics_stay_and_are_used():
    model = freeze_batch_norm(network())
    images = np.random.default_rng(0).normal(3, 2, (4, 4, 4, 3))
    images = images.astype("float32")
    before = [
        keras.ops.convert_to_numpy(v).copy()
        for v in model.non_trainable_variables
    ]
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(model(images, training=True)),
        keras.ops.convert_to_numpy(model(images, training=False)),
    )
    model.compile("sgd", "mse")
    model.fit(images, np.zeros((4, 4, 4, 2), "float32"), verbose=0)
    after = [
        keras.ops.convert_to_numpy(v).copy()
        for v in model.non_trainable_variables
    ]
    statistics = [
        (b, a) for b, a in zip(before, after, strict=True) if b.shape == (4,)
    ]
    assert len(statistics) == 12
    for b, a in statistics:
        np.testing.assert_array_equal(a, b)


def test_pyramids_are_frozen_for_good():
    """Their norms are made anew by a loaded model."""
    image = keras.Input((8, 8, 4))
    model = keras.Model(image, ASPP(4, atrous_rates=(1, 2), name="aspp")(image))
    again = keras.Model.from_config(freeze_batch_norm(model).get_config())
    for network in (model, again):
        names = {v.name for v in network.trainable_variables}
        assert names == {"kernel"}
