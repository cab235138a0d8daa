import random

import keras
import numpy as np

from keras_seg.training.generators import generator_states
from keras_seg.training.generators import set_generator_states


def draws():
    images = np.ones((1, 64), "float32")
    found = [random.random(), np.random.normal()]
    if keras.config.backend() == "torch":
        # Without `seed`, it draws from PyTorch's own generator.
        dropped = keras.layers.Dropout(0.5)(images, training=True)
        found += keras.ops.convert_to_numpy(dropped)[0].tolist()
    return found


def test_round_trip():
    states = generator_states()
    first = draws()
    assert draws() != first
    set_generator_states(states)
    assert draws() == first
