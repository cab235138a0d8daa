"""
What squeeze-and-excite breaks
==============================

A block that takes a mean over the whole map sees another map once strides are
removed. The equation holds no more, and a warning says by how much, measured on
the network at hand.
"""

import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_seg import surgery


def network(squeeze):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(16, 3, 2, padding="same", activation="relu")(image)
    x = keras.layers.Conv2D(16, 3, 2, padding="same", activation="relu")(x)
    if squeeze:
        gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = keras.layers.Conv2D(16, 1, activation="sigmoid")(gate)
        x = keras.layers.Multiply()([x, gate])
    return keras.Model(image, keras.layers.Conv2D(4, 3, padding="same")(x))


sizes, differences = [17, 25, 33, 49, 65, 97, 129], {}
rng = np.random.default_rng(0)
for squeeze in (False, True):
    keras.utils.set_random_seed(0)
    strided = network(squeeze)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        dense = surgery.set_output_stride(strided, 2)
    differences[squeeze] = []
    for size in sizes:
        x = rng.uniform(0, 1, (1, size, size, 3)).astype("float32")
        old, new = (m.predict(x, verbose=0) for m in (strided, dense))
        part = np.abs(new[:, ::2, ::2] - old).max() / np.abs(old).max()
        differences[squeeze].append(part)
print(said[-1].message)
plt.figure(figsize=(6, 3), layout="constrained")
plt.semilogy(sizes, differences[True], "o-", label="with squeeze-and-excite")
plt.semilogy(sizes, np.maximum(differences[False], 1e-8), "o-", label="without")
plt.xlabel("side of the image")
plt.ylabel("difference / largest value")
plt.legend()
