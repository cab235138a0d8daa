"""
Max-unpooling remembers
=======================

Max pooling keeps the largest of four values, and here its place, too.
Un-pooling puts values back where the maxima were; a bed of nails puts all of
them at the top left.
"""

import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from keras_seg import layers

values = np.random.default_rng(4).permutation(36)[:16].reshape(1, 4, 4, 1)
pooled, indices = layers.MaxPoolWithIndices(2)(values.astype("float32"))
maps = {
    "4×4": values,
    "maxima": pooled,
    "their places": indices,
    "MaxUnpool": layers.MaxUnpool(2)(pooled, indices),
    "BedOfNails": layers.BedOfNails(2)(pooled),
}
largest = ops.convert_to_numpy(pooled)
figure, axes = plt.subplots(1, 5, figsize=(11, 2.6), layout="constrained")
for axis, (title, picture) in zip(axes, maps.items(), strict=True):
    picture = ops.convert_to_numpy(picture)[0, ..., 0]
    shade = np.isin(picture, largest) & (title != "their places")
    axis.imshow(shade, cmap="Blues", vmin=0, vmax=3)
    for (i, j), value in np.ndenumerate(picture):
        axis.text(j, i, f"{value:g}", ha="center", va="center")
    axis.set(title=title, xticks=[], yticks=[])
