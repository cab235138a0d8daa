"""
A sliding window, and the same at once
======================================

A classifier of 15×15 windows, slid by a loop over every eighth pixel, and as
one network for all pixels. The numbers are equal.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_seg import applications
from keras_seg import data
from keras_seg.data import synthetic

keras.utils.set_random_seed(0)
images, masks = synthetic.membranes(5, size=128)
layers = [
    keras.Input((15, 15, 1)),
    keras.layers.Rescaling(1 / 127.5, -1),
    keras.layers.Conv2D(16, 4, activation="relu"),
    keras.layers.MaxPooling2D(),
    keras.layers.Conv2D(32, 3, activation="relu"),
    keras.layers.Flatten(),
    keras.layers.Dense(2),
]
classifier = keras.Sequential(layers)
classifier.compile("adam", keras.losses.SparseCategoricalCrossentropy(True))
pairs = list(zip(images[:4, ..., :1], masks[:4], strict=True))
classifier.fit(data.Windows(pairs, 15, per_class=1000), epochs=3, verbose=0)

dense = applications.SlidingWindow(classifier)
image = images[4, ..., :1]
at_once = dense.predict(image[None], verbose=0)[0]
padded = np.pad(image, ((7, 7), (7, 7), (0, 0)), "reflect")
places = [(y, x) for y in range(0, 128, 8) for x in range(0, 128, 8)]
windows = np.stack([padded[y : y + 15, x : x + 15] for y, x in places])
loop = classifier.predict(windows, verbose=0)
off = np.abs(loop - at_once[::8, ::8].reshape(-1, 2)).max()
maps = {
    "image": image,
    "loop, every 8th": loop[:, 1].reshape(16, 16),
    f"at once, {off:.0e} off": at_once[..., 1],
    "truth": masks[4],
}
figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
for axis, (title, picture) in zip(axes, maps.items(), strict=True):
    axis.imshow(picture, cmap="gray")
    axis.set_title(title)
    axis.axis("off")
