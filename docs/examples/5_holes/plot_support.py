"""
What a position sees: holes and gridding
========================================

Above: the 9 positions that one 3×3 kernel with holes sees, on a map of 28×28,
as DeepLab v1 has it. At rate 24 there is padding all around. Below: the same
for three layers, one behind the other. Equal rates leave a grid of positions
that are never seen; rates 1, 2, 3 see all of an equally large area.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_seg import visualization
from keras_seg.layers import AtrousConv


def network(rates):
    image = x = keras.Input((28, 28, 1))
    for rate in rates:
        x = AtrousConv(1, 3, dilation_rate=rate, kernel_initializer="ones")(x)
    return keras.Model(image, x)


rows = [
    [(1,), (2,), (3,), (12,), (24,)],
    [(1, 1, 1), (2, 2, 2), (3, 3, 3), (1, 2, 3), (1, 2, 5)],
]
figure, axes = plt.subplots(2, 5, figsize=(11, 5), layout="constrained")
for axis, rates in zip(axes.flat, sum(rows, []), strict=True):
    seen = visualization.support(network(rates), np.zeros((1, 28, 28, 1)))
    axis.imshow(visualization.strengths(seen))
    rows, columns = np.nonzero(seen)
    side = np.ptp(rows) + 1
    title = f"rate {', '.join(map(str, rates))}: {len(rows)} of {side}×{side}"
    axis.set_title(title, fontsize="medium")
    axis.set(xticks=[], yticks=[])
