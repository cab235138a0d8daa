"""
k-means of a photograph
=======================

Pixels of like color become one cluster. Nothing is trained, and nothing is
known of things: cup and spoon fall apart, table and coffee do not.
"""

import matplotlib.pyplot as plt
import skimage.data

from keras_seg.unsupervised import KMeansSegmenter

photo = skimage.data.coffee()
figure, axes = plt.subplots(1, 4, figsize=(11, 2.6), layout="constrained")
axes[0].imshow(photo)
axes[0].set_title("photograph")
for axis, (clusters, position) in zip(
    axes[1:], [(3, 0), (6, 0), (6, 0.3)], strict=True
):
    segmenter = KMeansSegmenter(clusters, position=position, seed=0)
    ids = segmenter.fit([photo]).predict(photo)
    axis.imshow(segmenter.centers[ids].astype("uint8"))
    axis.set_title(f"{clusters} clusters" + " and position" * (position > 0))
for axis in axes:
    axis.axis("off")
