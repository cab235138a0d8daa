"""
Holes: a stride is removed, the numbers stay
============================================

A network halves its map three times. ``set_output_stride`` takes two of the
strides away and spreads the kernels behind them. The dense map has 16 times as
many positions; every fourth one is the old map.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
import skimage.data

from keras_seg import surgery

keras.utils.set_random_seed(3)
image = keras.Input((None, None, 1))
x = image
for channels in (8, 16, 1):
    x = keras.layers.Conv2D(
        channels, 3, 2, padding="same", activation="tanh", use_bias=False
    )(x)
network = keras.Model(image, x)
dense = surgery.set_output_stride(network, 2)

photo = skimage.data.camera()[::4, ::4].astype("float32") / 255 - 0.5
old, new = (
    m.predict(photo[None, ..., None], verbose=0) for m in (network, dense)
)
difference = np.abs(new[:, ::4, ::4] - old).max()
figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
titles = "image", "stride 8", "stride 2", f"[::4, ::4], {difference:.0e} off"
maps = photo, old[0, ..., 0], new[0, ..., 0], new[0, ::4, ::4, 0]
for axis, picture, title in zip(axes, maps, titles, strict=True):
    axis.imshow(picture, cmap="gray")
    axis.set_title(f"{title}\n{picture.shape[0]}×{picture.shape[1]}")
    axis.axis("off")
