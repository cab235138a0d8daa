"""
Corners and centers
===================

Two ways to enlarge four values to thirteen. By half-pixel centers, the default
of TensorFlow 2, PyTorch and Pillow, the *borders* of both pictures coincide. By
aligned corners, Caffe's and DeepLab's, the *outermost pixels* do.
"""

import matplotlib.pyplot as plt
import numpy as np
from keras import ops as keras_ops

from keras_seg import ops

values, n, m = np.float32([0, 3, 1, 2]), 4, 13
figure, axes = plt.subplots(1, 2, figsize=(10, 2.8), sharey=True,
                            layout="constrained")  # fmt: skip
for axis, align in zip(axes, (False, True), strict=True):
    large = ops.resize(values.reshape(1, 1, n, 1), (1, m), align_corners=align)
    large = keras_ops.convert_to_numpy(large).ravel()
    if align:
        small_at, large_at = np.arange(n), np.arange(m) * (n - 1) / (m - 1)
    else:
        small_at, large_at = np.arange(n), (np.arange(m) + 0.5) * n / m - 0.5
    axis.plot(small_at, values, "o", markersize=12, alpha=0.4, label="4 values")
    axis.plot(large_at, large, ".-", label="13 values")
    axis.set_title(f"align_corners={align}")
    axis.set_xlabel("place in the small map")
    axis.set_xlim(-0.7, 3.7)
    axis.legend()
