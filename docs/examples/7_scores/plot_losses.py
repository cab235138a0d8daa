"""
Losses against how sure a network is
====================================

A mask with a small object, and a network that gives every pixel the right class
with probability p. Where the curves are steep, training pushes.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_seg import losses

mask = np.zeros((1, 20, 20), "int32")
mask[0, 8:12, 8:12] = 1
sure = np.linspace(0.05, 0.99, 40)
kinds = [
    losses.CrossEntropy(),
    losses.Focal(),
    losses.Dice(),
    losses.Tversky(),
    losses.LovaszSoftmax(),
]
plt.figure(figsize=(7, 3.4), layout="constrained")
for kind in kinds:
    values = []
    for p in sure:
        truth = np.eye(2)[mask]
        scores = np.log(truth * p + (1 - truth) * (1 - p))
        values.append(float(kind(mask, scores.astype("float32"))))
    plt.plot(sure, values, label=type(kind).__name__)
plt.xlabel("probability of the right class")
plt.ylabel("loss")
plt.legend()
