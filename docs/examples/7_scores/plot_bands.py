"""
The bands along the boundaries
==============================

Where ``keras_seg.metrics.trimap`` counts: bands of 1, 2, 5, 10 and 20 pixels
around the void outlines of the objects, as DeepLab's authors did, or around
each change of class, for masks that have no void.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_seg import metrics
from keras_seg import visualization
from keras_seg.data import synthetic

images, masks = synthetic.shapes(1, size=160, classes=4, seed=11)
mask = masks[0]
filled = np.where(mask == 255, 0, mask)
colors = synthetic.shape_classes(4).colors
widths = (1, 2, 5, 10, 20)
void = metrics.band_distance(mask, "void")
change = metrics.band_distance(filled, "label_change")
pictures = {
    "mask, void pale": visualization.colorize(mask, colors),
    'kind="void"': np.where(void, np.digitize(void, widths, right=True), 0),
    "mask without void": visualization.colorize(filled, colors),
    'kind="label_change"': np.digitize(change, widths, right=True),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    shown = axis.imshow(picture, cmap="magma_r")
    axis.set_title(title)
    axis.axis("off")
bar = figure.colorbar(shown, ax=axes[3], ticks=range(6))
bar.ax.set_yticklabels([*map(str, widths), "more"])
bar.ax.set_ylabel("narrowest band, pixels")
