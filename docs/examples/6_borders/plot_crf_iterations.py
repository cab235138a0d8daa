"""
Ten iterations of the CRF
=========================

Scores of a network with one in sixteen positions, enlarged; then mean field:
each iteration, every pixel takes what pixels of like color and place believe.
Below: the pixels that change their class.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from keras import ops as keras_ops

import keras_seg
from keras_seg import visualization

photo = skimage.data.coffee()[::2, ::2]
rows, columns = np.indices(photo.shape[:2])
cup = ((rows - 54) / 52) ** 2 + ((columns - 147) / 50) ** 2 < 1
coarse = cup[8::16, 8::16].astype("float32") * 3 - 1.5
coarse = np.stack([-coarse, coarse], axis=-1)
logits = keras_seg.ops.resize(coarse[None], photo.shape[:2])
logits = keras_ops.convert_to_numpy(logits)[0]
figure, axes = plt.subplots(2, 5, figsize=(13, 4), layout="constrained")
before = logits.argmax(-1)
for column, count in zip(axes.T, (0, 1, 2, 5, 10), strict=True):
    ids = before
    if count:
        found = keras_seg.dense_crf(photo, logits, iterations=count)
        ids = keras_ops.convert_to_numpy(found).argmax(-1)
    colors = [(0, 0, 0), (255, 90, 0)]
    column[0].imshow(visualization.overlay(photo, ids, colors))
    column[0].set_title(f"{count} iterations")
    column[1].imshow(visualization.errors(photo, before, ids))
    column[1].set_title(f"{(ids != before).mean():.1%} changed")
    before = ids
for axis in axes.flat:
    axis.axis("off")
