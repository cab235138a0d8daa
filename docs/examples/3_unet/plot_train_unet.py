"""
A U-Net in some seconds
=======================

Drawn cell membranes, a small U-Net, Keras's own ``fit``.
"""

import keras
import matplotlib.pyplot as plt

import keras_seg
from keras_seg import data
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.training import recipes

keras.utils.set_random_seed(0)
images, masks = synthetic.membranes(25, size=128)
pairs = list(zip(images[:24], masks[:24], strict=True))
model = keras_seg.applications.UNet(classes=2, filters=8, depth=3, dropout=0)
settings = recipes.finetune(
    pairs, classes=2, epochs=30, batch_size=2, learning_rate=2e-3
)
model.compile(**settings)
transforms = [augment.RandomFlip(vertical=0.5), augment.RandomCrop(96)]
batches = data.Batches(pairs, 2, transforms, shuffle=True)
history = model.fit(batches, epochs=30, verbose=0)

ids = keras_seg.predict(model, images[24])
colors = synthetic.MEMBRANE_CLASSES.colors
found = keras_seg.metrics.scores(
    keras_seg.metrics.count_pairs(masks[24], ids, 2)
)
figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), layout="constrained")
axes[0].plot(history.history["loss"])
axes[0].set(title="loss", xlabel="epoch")
pictures = images[24], masks[24], ids
titles = "held out", "truth", f"mean IoU {found.mean_iou:.2f}"
for axis, picture, title in zip(axes[1:], pictures, titles, strict=True):
    axis.imshow(picture, cmap="gray_r")
    axis.set_title(title)
    axis.axis("off")
