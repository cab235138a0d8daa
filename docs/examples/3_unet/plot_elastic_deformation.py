"""
Elastic deformation
===================

A grid of 3×3 random shifts, smoothly in between: what made thirty images enough
for U-Net, with a standard deviation of 10 pixels. The lines show where pixels
go.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_seg.data import augment
from keras_seg.data import synthetic

image, mask = (x[0].copy() for x in synthetic.membranes(1, size=160))
image[::16] = image[:, ::16] = (40, 90, 200)
figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
for axis, sigma in zip(axes, (0, 5, 10, 20), strict=True):
    picture = image
    if sigma:
        transform = augment.ElasticDeformation(sigma=sigma)
        picture, _ = transform(image, mask, np.random.default_rng(0))
    axis.imshow(picture)
    axis.set_title(f"sigma={sigma}" if sigma else "as it was")
    axis.axis("off")
