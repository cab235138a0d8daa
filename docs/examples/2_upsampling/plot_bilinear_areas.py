"""
Bilinear interpolation, by areas and by distances
=================================================

A value between four others is their mean, each weighted by the area of the
rectangle at the opposite corner, of its color here. The areas are products of
distances, so rows and columns can be interpolated one after the other, as
``keras_seg.ops.resize`` does.
"""

import matplotlib.pyplot as plt
import numpy as np
from keras import ops as keras_ops

from keras_seg import ops

corners = np.float32([[10, 30], [20, 80]])
large = ops.resize(corners[None, ..., None], (8, 8))
large = keras_ops.convert_to_numpy(large)[0, ..., 0]
# Position 5 of 8 lies at (5 + 1/2) · 2/8 - 1/2 of the rows, 3 of the columns.
down, across = 0.875, 0.375
areas = np.outer([1 - down, down], [1 - across, across])
first, second = corners @ [1 - across, across]
print("by areas", (areas * corners).sum())
print("by distances", (1 - down) * first + down * second)
print("keras_seg.ops.resize", large[5, 3])

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for (i, j), area in np.ndenumerate(areas):
    color = f"C{2 * i + j}"
    x, width = ((across, 1 - across), (0, across))[j]
    y, height = ((down, 1 - down), (0, down))[i]
    axes[0].add_patch(
        plt.Rectangle((x, y), width, height, alpha=0.4, color=color)
    )
    axes[0].text(x + width / 2, y + height / 2, f"{area:.3f}",
                 ha="center", va="center")  # fmt: skip
    axes[0].plot(j, i, "o", color=color, markersize=30, clip_on=False)
    axes[0].text(j, i, f"{corners[i, j]:g}", ha="center", va="center")
axes[0].plot(across, down, "k.", markersize=12)
axes[0].set(xlim=(-0.1, 1.1), ylim=(1.1, -0.1), aspect="equal",
            title=f"weights of the value {large[5, 3]:.2f}")  # fmt: skip
axes[0].axis("off")
axes[1].imshow(large, cmap="Blues")
for (i, j), value in np.ndenumerate(large):
    axes[1].text(j, i, f"{value:.0f}", ha="center", va="center")
axes[1].add_patch(plt.Rectangle((2.5, 4.5), 1, 1, fill=False, linewidth=2))
axes[1].set_title("2×2 enlarged to 8×8")
axes[1].axis("off")
