"""
Why two groups are not enough
=============================

k-means with k = 2 on a section of tissue. Membranes are dark, but so are
mitochondria and vesicles, and no group knows what is around a pixel.
"""

import matplotlib.pyplot as plt

from keras_seg import metrics
from keras_seg import visualization
from keras_seg.data import synthetic
from keras_seg.unsupervised import KMeansSegmenter

images, masks = synthetic.membranes(1, size=160, seed=1)
image, truth = images[0], masks[0]
ids = KMeansSegmenter(2, seed=0).fit([image]).predict(image)
# Membranes are 1 in the truth, and the darker group here.
darker = image[ids == 1].mean() < image[ids == 0].mean()
found = ids if darker else 1 - ids
iou = metrics.scores(metrics.count_pairs(truth, found, 2)).per_class_iou[1]
pictures = {
    "section": image,
    "two groups": 255 * found,
    "truth": 255 * truth,
    f"errors; IoU of membranes {iou:.2f}": visualization.errors(
        image, truth, found
    ),
}
figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture, cmap="gray")
    axis.set_title(title)
    axis.axis("off")
