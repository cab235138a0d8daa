"""
Ways back to the size of the image
==================================

The up-sampling operators of the lecture, on one map of 4×4.
"""

import matplotlib.pyplot as plt
import numpy as np
from keras import ops as keras_ops

from keras_seg import layers

rng = np.random.default_rng(2)
image = rng.uniform(0, 1, (1, 8, 8, 1)).astype("float32")
pooled, places = layers.MaxPoolWithIndices(2)(image)
ways = {
    "8×8": image,
    "its maxima, 4×4": pooled,
    "BedOfNails": layers.BedOfNails(2)(pooled),
    "MaxUnpool": layers.MaxUnpool(2)(pooled, places),
    "NearestUpsampling": layers.NearestUpsampling(2)(pooled),
    "BilinearUpsampling": layers.BilinearUpsampling(2)(pooled),
}
figure, axes = plt.subplots(1, 6, figsize=(12, 2.4), layout="constrained")
for axis, (name, picture) in zip(axes, ways.items(), strict=True):
    axis.imshow(keras_ops.convert_to_numpy(picture)[0, ..., 0], vmin=0, vmax=1)
    axis.set_title(name, fontsize="medium")
    axis.axis("off")
