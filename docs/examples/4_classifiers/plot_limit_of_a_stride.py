"""
The best that scores of a stride can do
=======================================

The truth itself, as a network of that output stride could give it at most:
shares of the classes in cells, enlarged. Fine parts are lost at stride 32
whatever the network has learned; that is why FCN adds the maps of stride 16
and 8.
"""

import matplotlib.pyplot as plt
import numpy as np
from keras import ops as keras_ops

from keras_seg import metrics
from keras_seg import ops
from keras_seg import visualization
from keras_seg.data import synthetic

images, masks = synthetic.shapes(1, size=256, classes=5, seed=8)
colors = synthetic.shape_classes(5).colors
truth = np.eye(256, dtype="float32")[masks][..., :5]  # 255 is void
figure, axes = plt.subplots(1, 5, figsize=(13, 3), layout="constrained")
for axis, stride in zip(axes, (1, 4, 8, 16, 32), strict=True):
    small = keras_ops.average_pool(truth, stride, stride)
    large = keras_ops.convert_to_numpy(ops.resize(small, (256, 256)))
    found = large.argmax(-1)
    matrix = metrics.count_pairs(masks, found, 5)
    iou = metrics.scores(matrix).mean_iou
    axis.imshow(visualization.overlay(images[0], found[0], colors))
    axis.set_title(f"stride {stride}: IoU {iou:.3f}" if stride > 1 else "truth")
    axis.axis("off")
