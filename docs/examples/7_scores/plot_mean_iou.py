"""
Mean IoU is seven numbers
=========================

Three images, one prediction of each, one name: "mean IoU". Libraries differ in
what they average over and in what a class counts that is not there.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_seg import metrics

rng = np.random.default_rng(0)
truths = np.zeros((3, 60, 60), int)
truths[0, 10:40, 10:40] = 1
truths[1, 20:26, 20:26] = 2
truths[2, :, 40:] = 1
found = np.where(rng.random(truths.shape) < 0.9, truths, 0)
found[2, 50:, :15] = 3  # A class that is in no truth; class 4 is nowhere.
matrix = metrics.count_pairs(truths, found, 5)
each = [
    metrics.count_pairs(t, f, 5) for t, f in zip(truths, found, strict=True)
]


def of(matrix, **options):
    return metrics.scores(matrix, **options)


iou = of(matrix).per_class_iou
numbers = {
    "data set, classes in truth or prediction (FCN, VOC)": of(matrix).mean_iou,
    "data set, classes in the truth": of(
        matrix, absent_classes="truth"
    ).mean_iou,
    "data set, absent classes count 0": np.nan_to_num(iou, nan=0).mean(),
    "data set, absent classes count 1": np.nan_to_num(iou, nan=1).mean(),
    "data set, without background": np.nanmean(iou[1:]),
    "weighted by frequency": of(matrix).frequency_weighted_iou,
    "mean over images": np.mean([of(m).mean_iou for m in each]),
}
plt.figure(figsize=(9, 3), layout="constrained")
bars = plt.barh(list(numbers), list(numbers.values()))
plt.bar_label(bars, fmt="%.3f", padding=3)
plt.xlim(0, 1.1)
plt.gca().invert_yaxis()
