"""
The receptive field, and what counts in it
==========================================

3×3 convolutions with ReLU, one behind the other, and random weights. The frame
is the receptive field in the middle, 2 pixels wider with each layer. The color
is how strongly each pixel moves that position: its gradient, the mean over 40
random images. Most of it is in the middle, and the more so the deeper it is.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_seg
from keras_seg import visualization

keras.utils.set_random_seed(0)
images = np.random.default_rng(0).normal(size=(40, 49, 49, 1))
figure, axes = plt.subplots(1, 4, figsize=(11, 3.3), layout="constrained")
for axis, depth in zip(axes, (1, 3, 10, 20), strict=True):
    image = x = keras.Input((49, 49, 1))
    for _ in range(depth):
        x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    network = keras.Model(image, x)
    seen = visualization.support(network, images)
    axis.imshow(visualization.strengths(seen))
    size = keras_seg.receptive_field(network).size
    axis.add_patch(
        plt.Rectangle(
            (24 - size / 2, 24 - size / 2), size, size,
            fill=False, color="C1", linewidth=2,
        )
    )  # fmt: skip
    strongest = np.sort(seen.ravel())[::-1].cumsum() / seen.sum() < 0.9
    share = (strongest.sum() + 1) / size**2
    axis.set_title(
        f"{depth} deep: {size}×{size}\n90 % in {100 * share:.0f} % of it"
    )
    axis.axis("off")
