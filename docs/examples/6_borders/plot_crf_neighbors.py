"""
Whom a pixel listens to
=======================

The two kernels of the fully connected CRF with the settings of DeepLab v1, from
the pixels at the crosses to all others: the small one smooths; the large one
asks who is near and of like color, and so stops at edges.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data

from keras_seg import visualization
from keras_seg.crf import PRESETS

photo = skimage.data.coffee()[::2, ::2].astype(float)
settings = PRESETS["deeplab_v1"]
rows, columns = np.indices(photo.shape[:2])
figure, axes = plt.subplots(2, 3, figsize=(11, 5), layout="constrained")
for line, (y, x) in zip(axes, [(40, 105), (150, 60)], strict=True):
    apart = (rows - y) ** 2 + (columns - x) ** 2
    colors = ((photo - photo[y, x]) ** 2).sum(-1)
    one, two = settings.gaussian, settings.bilateral
    pictures = {
        "photograph": photo.astype("uint8"),
        f"place: sxy={one.sxy}": np.exp(-apart / 2 / one.sxy**2),
        f"place and color: sxy={two.sxy}, srgb={two.srgb}": np.exp(
            -apart / 2 / two.sxy**2 - colors / 2 / two.srgb**2
        ),
    }
    for axis, (title, picture) in zip(line, pictures.items(), strict=True):
        if picture.ndim == 2:
            picture = visualization.strengths(
                np.where(picture < 1e-3, 0, picture)
            )
        axis.imshow(picture)
        axis.plot(x, y, "+", color="C1", markersize=14, markeredgewidth=2)
        axis.set_title(title)
        axis.axis("off")
