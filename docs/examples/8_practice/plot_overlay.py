"""
Four views of a mask
====================

A mask in the colors of its classes, over its image, with the names and the
shares of the classes, and the pixels that a prediction has wrong.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_seg import visualization
from keras_seg.data import synthetic

images, masks = synthetic.shapes(1, size=160, classes=5, seed=5)
image, mask = images[0], masks[0]
table = synthetic.shape_classes(5)
shifted = np.roll(mask, 2, axis=(0, 1))
views = {
    "colorize": visualization.colorize(mask, table.colors),
    "overlay": visualization.overlay(image, mask, table.colors),
    "overlay_with_legend": visualization.overlay_with_legend(
        image, mask, table
    ),
    "errors": visualization.errors(image, mask, shifted),
}
figure, axes = plt.subplots(1, 4, figsize=(13, 3), layout="constrained")
for axis, (name, picture) in zip(axes, views.items(), strict=True):
    axis.imshow(picture)
    axis.set_title(name)
    axis.axis("off")
