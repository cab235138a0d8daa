import keras
import numpy as np
from keras import layers

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
