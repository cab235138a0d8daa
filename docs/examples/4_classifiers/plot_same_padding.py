"""
Why "same" padding shifts
=========================

A 3×3 convolution of stride 2 with ``padding="same"`` pads an even map on one
side only, an odd one on both. So the places it looks at lie differently: the
same dot, on images of 8 and of 9 pixels. ``PadToMultiple(2, 1)`` makes every
size an odd one, and the network looks at the same places whatever the size.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_seg.layers import PadToMultiple


def network(pad):
    image = x = keras.Input((None, None, 1))
    if pad:
        x = PadToMultiple(2, 1)(x)
    kernel = np.float32([[0, 0, 0], [0, 1, 0], [0, 0, 0]])[..., None, None]
    layer = keras.layers.Conv2D(1, 3, 2, padding="same", use_bias=False)
    model = keras.Model(image, layer(x))
    layer.set_weights([kernel])
    return model


figure, axes = plt.subplots(2, 3, figsize=(9, 5.4), layout="constrained")
for row, size in zip(axes, (8, 9), strict=True):
    image = np.zeros((size, size), "float32")
    image[4, 4] = 1
    row[0].imshow(image, cmap="gray")
    row[0].set_title(f"image, {size}×{size}")
    for axis, pad in zip(row[1:], (False, True), strict=True):
        found = network(pad).predict(image[None, ..., None], verbose=0)
        axis.imshow(found[0, ..., 0], cmap="gray", vmin=0, vmax=1)
        axis.set_title("PadToMultiple(2, 1)" if pad else '"same" alone')
