"""
Data drawn by the package
=========================

Sections of tissue with membranes, and shapes on texture, with their masks:
for tests, tutorials, and a first run without data of one's own.
"""

import matplotlib.pyplot as plt

from keras_seg import visualization
from keras_seg.data import synthetic

figure, axes = plt.subplots(2, 6, figsize=(12, 4.2), layout="constrained")
tissue, membranes = synthetic.membranes(3, size=128)
images, masks = synthetic.shapes(3, size=128, classes=6)
colors = synthetic.shape_classes(6).colors
for column, (image, mask) in enumerate(zip(tissue, membranes, strict=True)):
    axes[0, 2 * column].imshow(image)
    axes[0, 2 * column + 1].imshow(mask, cmap="gray")
for column, (image, mask) in enumerate(zip(images, masks, strict=True)):
    axes[1, 2 * column].imshow(image)
    axes[1, 2 * column + 1].imshow(visualization.colorize(mask, colors))
for axis in axes.flat:
    axis.axis("off")
