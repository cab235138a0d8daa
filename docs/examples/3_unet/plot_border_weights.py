"""
Weights that keep cells apart
=============================

U-Net weighs the pixels between two cells up to eleven times as much as others,
so that a narrow gap counts in the loss.
"""

import matplotlib.pyplot as plt

from keras_seg import losses
from keras_seg.data import synthetic

images, masks = synthetic.membranes(1, size=128, seed=3)
figure, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained")
axes[0].imshow(images[0])
axes[0].set_title("section")
axes[1].imshow(masks[0], cmap="gray")
axes[1].set_title("cells, 0, and membranes, 1")
for axis, sigma in zip(axes[2:], (5, 10), strict=True):
    weights = losses.border_weights(masks[0], sigma=sigma, cell=0)
    shown = axis.imshow(weights, cmap="magma", vmin=1, vmax=11)
    axis.set_title(f"border_weights, sigma={sigma}")
figure.colorbar(shown, ax=axes[3])
for axis in axes:
    axis.axis("off")
