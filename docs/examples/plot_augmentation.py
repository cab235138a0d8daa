"""
Augmentation: a picture of each
===============================

Each transform is called with an image, its mask and a random generator.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic

images, masks = synthetic.shapes(1, size=128, classes=4)
colors = synthetic.shape_classes(4).colors
transforms = [
    augment.RandomFlip(horizontal=1.0),
    augment.RandomQuarterTurns(),
    augment.RandomRotation(25),
    augment.RandomShift(30),
    augment.RandomScale(0.5, 0.6),
    augment.RandomCrop(96),
    augment.ElasticDeformation(),
    augment.ColorJitter(),
    augment.GrayJitter(),
]
figure, axes = plt.subplots(2, 5, figsize=(11, 5), layout="constrained")
for axis, transform in zip(axes.flat, [None, *transforms], strict=True):
    image, mask = images[0], masks[0]
    if transform is not None:
        image, mask = transform(image, mask, np.random.default_rng(1))
    axis.imshow(visualization.overlay(image, mask, colors))
    axis.set_title(type(transform).__name__ if transform else "as it was")
    axis.axis("off")
