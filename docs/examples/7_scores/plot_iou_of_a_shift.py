"""
One pixel off
=============

The IoU of a disk with the same disk, shifted: small objects lose much by one
pixel, large ones hardly anything. A mean over classes says little about
outlines where classes are large.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_seg import metrics

rows, columns = np.indices((220, 220))
shifts = range(11)
plt.figure(figsize=(7, 3.4), layout="constrained")
for radius in (4, 8, 16, 32, 64):
    values = []
    for shift in shifts:
        one, other = [
            np.hypot(rows - 110, columns - 110 - x) <= radius
            for x in (0, shift)
        ]
        matrix = metrics.count_pairs(one.astype(int), other.astype(int), 2)
        values.append(metrics.scores(matrix).per_class_iou[1])
    plt.plot(shifts, values, "o-", label=f"radius {radius}")
plt.xlabel("shift, pixels")
plt.ylabel("IoU")
plt.ylim(0, 1)
plt.legend()
