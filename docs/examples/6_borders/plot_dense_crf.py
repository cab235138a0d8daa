"""
A fully connected CRF sharpens borders
======================================

Coarse, doubtful scores of a photograph, and the same after ten iterations in
which every pixel listens to all others of like color and place.
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
coarse = cup[8::16, 8::16].astype("float32") * 4 - 2
coarse = np.stack([-coarse, coarse], axis=-1)
logits = keras_seg.ops.resize(coarse[None], photo.shape[:2])
logits = keras_ops.convert_to_numpy(logits)[0]
logits += np.random.default_rng(0).normal(0, 1, logits.shape)

refined = keras_seg.dense_crf(photo, logits.astype("float32"))
refined = keras_ops.convert_to_numpy(refined)
figure, axes = plt.subplots(1, 3, figsize=(11, 2.7), layout="constrained")
colors = [(0, 0, 0), (255, 90, 0)]
pictures = [photo] + [
    visualization.overlay(photo, scores.argmax(-1), colors)
    for scores in (logits, refined)
]
for axis, picture, title in zip(
    axes, pictures, ["photograph", "scores", "refined"], strict=True
):
    axis.imshow(picture)
    axis.set_title(title)
    axis.axis("off")
