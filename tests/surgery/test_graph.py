import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.surgery import fold_batch_norm
from keras_seg.surgery import pyramid
from keras_seg.surgery import set_output_stride


@keras.saving.register_keras_serializable(package="keras_seg_tests")
class Counting(keras.initializers.RandomNormal):
    drawn = 0

    def __call__(self, shape, dtype=None, **options):
        Counting.drawn += 1
        return super().__call__(shape, dtype=dtype, **options)


def test_copies_draw_no_weights():
    """They get those of their originals; their config is what it was."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, kernel_initializer=Counting())(image)
    x = layers.SeparableConv2D(4, 3, depthwise_initializer=Counting())(x)
    model = keras.Model(image, layers.BatchNormalization()(x))
    drawn = Counting.drawn
    assert drawn == 2
    dense = set_output_stride(model, 1)
    assert Counting.drawn == drawn
    for old, new in zip(model.weights, dense.weights, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(old), keras.ops.convert_to_numpy(new)
        )
    for old in model.layers[1:]:
        config = dense.get_layer(old.name).get_config()
        for name, value in old.get_config().items():
            if name.endswith("initializer"):
                assert config[name] == value
    again = keras.models.clone_model(dense)
    assert Counting.drawn == drawn + 2
    assert np.std(keras.ops.convert_to_numpy(again.weights[0])) > 0


class Halves(layers.Layer):
    """A block of a stranger, which knows one size; its config says nothing."""

    def __init__(self, size=None, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, x):
        if x.shape[1] != self.size:
            raise RuntimeError("another size")
        return x[:, ::2, ::2]


@pytest.mark.once
def test_what_a_strangers_layer_raises_becomes_a_sentence():
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, padding="same")(image)
    block = keras.Model(image, layers.Conv2D(4, 3)(Halves(16, name="asked")(x)))
    with pytest.raises(ValueError, match="'asked' .*takes no map of 224×224"):
        pyramid(block)
    with pytest.raises(ValueError, match="'asked' .*not take a map of any si"):
        fold_batch_norm(block)
    block.get_layer("asked").get_config = lambda: {"nonsense": 1}
    with pytest.raises(ValueError, match="'asked' .*can't be copied: .from_c"):
        fold_batch_norm(block)


@pytest.mark.once
def test_axes_that_are_none_of_the_maps():
    """Of attention's heads and tokens, a graph can look like many strides."""
    image = keras.Input((None, None, 3))
    x = image
    for _ in range(3):
        x = layers.Conv2D(4, 16, 16, padding="same")(x)
    with pytest.raises(ValueError, match="stride 4096 by its graph, more than"):
        pyramid(keras.Model(image, x))
