"""
What an unpadded U-Net sees, and what it answers
================================================

The paper's convolutions do not pad: from 572×572 pixels come logits for the
388×388 in the middle, so that no answer depends on what is outside of the
image. Every map loses 4 positions to two 3×3 convolutions.
"""

import matplotlib.pyplot as plt

from keras_seg import applications
from keras_seg.data import synthetic

network = applications.UNet(padding="valid", filters=1, classes=2)
shape = network.compute_output_shape((1, 572, 572, 3))
image = synthetic.membranes(1, size=572)[0][0]
figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained",
                            width_ratios=(1, 1.4))  # fmt: skip
axes[0].imshow(image)
lost = (572 - shape[1]) / 2
axes[0].add_patch(plt.Rectangle((lost, lost), shape[1], shape[2], fill=False,
                                color="C1", linewidth=3))  # fmt: skip
axes[0].set_title(f"572×572 in, {shape[1]}×{shape[2]} out")
axes[0].axis("off")
sizes = [572]
for _ in range(4):  # Two convolutions, and a pool.
    sizes += [sizes[-1] - 4, (sizes[-1] - 4) // 2]
sizes += [sizes[-1] - 4]
for _ in range(4):  # A transposed convolution, and two convolutions.
    sizes += [2 * sizes[-1], 2 * sizes[-1] - 4]
assert sizes[-1] == shape[1]
axes[1].bar(range(len(sizes)), sizes, color="C0")
for step, size in enumerate(sizes):
    axes[1].text(step, size + 8, size, ha="center", fontsize="small")
axes[1].set_title("sides of the maps, down and up")
axes[1].set_xticks([])
