"""
Tiles of a large image
======================

A network sees the border of a tile where the image goes on. Without overlap
that shows; where tiles overlap by enough, the scores are those of the whole.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
import skimage.data

from keras_seg.inference import Tiles

keras.utils.set_random_seed(1)
image = keras.Input((None, None, 1))
x = keras.layers.Conv2D(8, 7, padding="same", activation="relu")(image)
x = keras.layers.Conv2D(8, 7, padding="same", activation="relu")(x)
model = keras.Model(image, keras.layers.Conv2D(1, 1)(x))
photo = skimage.data.camera().astype("float32")[..., None] / 255


def scores(tile):
    return model.predict(tile[None], verbose=0)[0]


whole = scores(photo)
figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
axes[0].imshow(whole[..., 0], cmap="gray")
axes[0].set_title("whole image")
for axis, overlap in zip(axes[1:], (0, 64), strict=True):
    tiled = np.empty_like(whole)
    for rows, columns, block in Tiles(128, overlap).blocks(scores, photo):
        tiled[rows, columns] = block
    difference = np.abs(tiled - whole)[..., 0]
    axis.imshow(difference, cmap="inferno", vmax=0.2)
    axis.set_title(f"overlap {overlap}: at most {difference.max():.1g} off")
for axis in axes:
    axis.axis("off")
