"""
What the first fully connected layer weighs
===========================================

VGG16's first fully connected layer, as the convolution that it equals, and what
DeepLab puts in its place: fewer filters, and a smaller kernel with holes that
sees as far. Three 3×3 layers see as far as one of 7×7, too, and so does one at
rate 3.
"""

import matplotlib.pyplot as plt

from keras_seg.layers import AtrousConv

wide, narrow = 512, 1024
kinds = {
    "7×7, 4096 filters": [(4096, 7, 1, wide)],
    "7×7, 1024 filters": [(narrow, 7, 1, narrow)],
    "3×3 and two more 3×3": [(narrow, 3, 1, wide), (narrow, 3, 1, narrow),
                             (narrow, 3, 1, narrow)],
    "3×3 at rate 3": [(narrow, 3, 3, wide)],
}  # fmt: skip
plt.figure(figsize=(8, 2.6), layout="constrained")
weights = []
for stack in kinds.values():
    total = 0
    for filters, kernel_size, rate, channels in stack:
        layer = AtrousConv(filters, kernel_size, rate, "same")
        total += kernel_size**2 * channels * filters + filters
        assert layer.effective_kernel_size[0] == (kernel_size - 1) * rate + 1
    weights.append(total)
bars = plt.barh(list(kinds), weights)
plt.bar_label(bars, [f"{n:,}" for n in weights], padding=3)
plt.xlim(0, 1.25e8)
plt.gca().invert_yaxis()
