"""
Atrous spatial pyramid pooling
==============================

What one position of an ASPP sees: several rates side by side, for objects of
several sizes. DeepLab v2 sums its branches; v3 adds a 1×1 branch and the mean
of the whole map, which sees everything, faintly.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_seg import visualization
from keras_seg.layers import ASPP

keras.utils.set_random_seed(1)
map_ = np.random.default_rng(0).normal(size=(20, 65, 65, 4))
kinds = {
    "v2, ASPP-S: 2, 4, 8, 12": ASPP(8, (2, 4, 8, 12), "v2"),
    "v2, ASPP-L: 6, 12, 18, 24": ASPP(8, (6, 12, 18, 24), "v2"),
    "v3: 6, 12, 18 and the mean": ASPP(8, (6, 12, 18)),
    "v3 at output stride 8": ASPP(8, (6, 12, 18)).for_output_stride(8),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="constrained")
for axis, (title, layer) in zip(axes, kinds.items(), strict=True):
    seen = visualization.support(layer, map_)
    axis.imshow(visualization.strengths(seen))
    axis.set(title=title, xticks=[], yticks=[])
