"""
Augmentation: a picture of each
===============================

Each transform is called with an image, its mask and a random generator, and
moves both alike; what comes in from outside is void, here pink.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic

images, masks = synthetic.shapes(1, size=128, classes=4)
colors = synthetic.shape_classes(4).colors
transforms = [
    None,
    augment.RandomFlip(horizontal=1.0),
    augment.RandomQuarterTurns(),
    augment.RandomRotation(45),
    augment.RandomShift(40),
    augment.RandomScale(0.4, 0.6),
    augment.RandomCrop(80),
    augment.BalancedCrop(64),
    augment.ElasticDeformation(),
    augment.ColorJitter(0.5, 0.5, 0.5),
]
figure, axes = plt.subplots(2, 5, figsize=(11, 4.8), layout="constrained")
for axis, transform in zip(axes.flat, transforms, strict=True):
    image, mask = images[0], masks[0]
    if transform is not None:
        image, mask = transform(image, mask, np.random.default_rng(7))
    axis.imshow(visualization.overlay(image, mask, colors))
    axis.set_title(type(transform).__name__ if transform else "as it was")
    axis.axis("off")
