"""
How much of a kernel lies on the map
====================================

The share of the nine taps of a 3×3 kernel that lie on features, and not on the
zeros around them, in the mean over all positions. On the 28×28 map of VGG16
it is 18 % at rate 24: the kernel is little more than its middle. On the 65×65
of a ResNet it is better.
"""

import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from keras_seg.layers import AtrousConv

rates = [1, 2, 4, 6, 8, 12, 18, 24, 36, 48, 64]
plt.figure(figsize=(7, 3.4), layout="constrained")
for side in (28, 33, 65):
    shares = []
    for rate in rates:
        layer = AtrousConv(
            1, 3, rate, use_bias=False, kernel_initializer="ones"
        )
        taps = layer(np.ones((1, side, side, 1), "float32"))
        shares.append(ops.convert_to_numpy(taps).mean() / 9)
    plt.plot(rates, shares, "o-", label=f"map of {side}×{side}")
plt.axhline(1 / 9, color="0.6", linestyle=":", label="the middle alone")
plt.xlabel("rate")
plt.ylabel("share of the taps")
plt.ylim(0, 1)
plt.legend()
