"""
A transposed convolution that is bilinear
=========================================

FCN enlarges scores by a kernel of twice the factor that begins as bilinear
interpolation. Inside it gives what resizing does; at the border it fades, as
what is outside the map counts as zero.
"""

import matplotlib.pyplot as plt
import numpy as np
from keras import ops as keras_ops

from keras_seg import layers
from keras_seg import ops

values = np.float32([2, 3, 1, 3])
figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for factor in (2, 4, 8):
    kernel = layers.BilinearInitializer()((1, 2 * factor))
    kernel = keras_ops.convert_to_numpy(kernel)[0]
    places = (np.arange(2 * factor) + 0.5) / factor - 1
    axes[0].plot(places, kernel, "o-", label=f"factor {factor}")
axes[0].set(title="a row of the kernel", xlabel="positions of the map")
axes[0].legend()
row = values.reshape(1, 1, 4, 1)
ways = {
    "ops.resize": ops.resize(row, (1, 32)),
    "BilinearConvTranspose": layers.BilinearConvTranspose(factor=(1, 8))(row),
}
places = (np.arange(32) + 0.5) / 8 - 0.5
for (name, large), style in zip(ways.items(), (".-", ".--"), strict=True):
    large = keras_ops.convert_to_numpy(large).ravel()
    axes[1].plot(places, large, style, label=name)
axes[1].plot(values, "ko", markersize=9, alpha=0.5, label="4 values")
axes[1].set(title="enlarged by 8", xlabel="positions of the map", ylim=(0, 3.2))
axes[1].legend()
