"""
Which classes are taken for which
=================================

A confusion matrix, every row in percent of its truth: the diagonal is the
recall of each class. The triangles of this prediction are taken for squares.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_seg import metrics
from keras_seg import visualization
from keras_seg.data import synthetic

images, masks = synthetic.shapes(8, size=96, classes=5)
table = synthetic.shape_classes(5)
rng = np.random.default_rng(0)
right = (masks != 255) & (rng.random(masks.shape) < 0.95)
found = np.where(right, masks, 0)
found[(masks == 3) & (rng.random(masks.shape) < 0.6)] = 2
matrix = metrics.count_pairs(masks, found, 5)
plt.figure(figsize=(5.5, 4.5), layout="constrained")
plt.imshow(visualization.confusion(matrix, table.names))
plt.axis("off")
